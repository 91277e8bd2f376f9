// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A `Status` object: how the API server explains a failure.
public struct APIStatus: Sendable, Hashable, Error, CustomStringConvertible {
    /// One field that is wrong.
    public struct Cause: Sendable, Hashable {
        /// A machine's word for it: `FieldValueInvalid`, `FieldManagerConflict`.
        public var reason: String
        /// A sentence for people.
        public var message: String
        /// The path of the field: `spec.replicas`.
        public var field: String

        /// A cause.
        public init(reason: String, message: String, field: String) {
            self.reason = reason
            self.message = message
            self.field = field
        }
    }

    /// The HTTP status code.
    public var code: Int
    /// A machine's word: `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, `Expired`.
    public var reason: String
    /// A sentence for people.
    public var message: String
    /// The name of the object it is about.
    public var name: String?
    /// The API group of the object it is about.
    public var group: String?
    /// The resource or the kind it is about, as the server writes `details.kind`.
    public var kind: String?
    /// What is wrong field by field.
    public var causes: [Cause]
    /// After how many seconds a retry makes sense.
    public var retryAfterSeconds: Int?
    /// With 410 `Expired` for a page of a list: where the list goes on in the present state, should that be good enough.
    public var continueToken: String?

    /// A failure.
    public init(
        code: Int,
        reason: String,
        message: String,
        name: String? = nil,
        group: String? = nil,
        kind: String? = nil,
        causes: [Cause] = [],
        retryAfterSeconds: Int? = nil
    ) {
        self.code = code
        self.reason = reason
        self.message = message
        self.name = name
        self.group = group
        self.kind = kind
        self.causes = causes
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// Reads a `Status` object with `status: Failure`; `nil` for anything else.
    public init?(_ json: JSONValue) {
        guard json["kind"]?.string == "Status", json["status"]?.string != "Success" else { return nil }
        let details = json["details"]
        self.init(
            code: json["code"]?.int ?? 0,
            reason: json["reason"]?.string ?? "",
            message: json["message"]?.string ?? "",
            name: details?["name"]?.string,
            group: details?["group"]?.string,
            kind: details?["kind"]?.string,
            causes: (details?["causes"]?.array ?? []).map {
                Cause(
                    reason: $0["reason"]?.string ?? "",
                    message: $0["message"]?.string ?? "",
                    field: $0["field"]?.string ?? ""
                )
            },
            retryAfterSeconds: details?["retryAfterSeconds"]?.int
        )
        continueToken = json.at("metadata", "continue")?.string
    }

    /// The `Status` object.
    public var json: JSONValue {
        var json: JSONValue = [
            "apiVersion": "v1", "kind": "Status", "metadata": [:], "status": "Failure", "message": .string(message),
            "code": JSONValue(code),
        ]
        if let continueToken { json["metadata"] = ["continue": .string(continueToken)] }
        if !reason.isEmpty { json["reason"] = .string(reason) }
        var details = JSONObject()
        details["name"] = JSONValue(name)
        details["group"] = group.flatMap { $0.isEmpty ? nil : .string($0) }
        details["kind"] = JSONValue(kind)
        details["retryAfterSeconds"] = retryAfterSeconds.map { JSONValue($0) }
        if !causes.isEmpty {
            details["causes"] = .array(
                causes.map { cause in
                    var json = JSONObject()
                    if !cause.reason.isEmpty { json["reason"] = .string(cause.reason) }
                    if !cause.message.isEmpty { json["message"] = .string(cause.message) }
                    if !cause.field.isEmpty { json["field"] = .string(cause.field) }
                    return .object(json)
                }
            )
        }
        if !details.isEmpty { json["details"] = .object(details) }
        return json
    }

    /// The message.
    public var description: String { message.isEmpty ? "\(code) \(reason)" : message }
}
