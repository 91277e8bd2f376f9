// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// What the server does with fields that it doesn't know (`fieldValidation`).
public enum FieldValidation: String, Sendable, Hashable {
    /// Drops them silently.
    case ignore = "Ignore"
    /// Drops them and answers with a warning; the server's default.
    case warn = "Warn"
    /// Refuses the object.
    case strict = "Strict"
}

/// How a create, replace, patch or apply is done.
public struct WriteOptions: Sendable, Hashable {
    /// Who writes, for managed fields; `nil` for the client's own name.
    public var fieldManager: String?
    /// What happens to unknown fields; `nil` for the server's default.
    public var fieldValidation: FieldValidation?
    /// Whether the server only says what would happen.
    public var isDryRun: Bool

    /// Options for a write.
    public init(fieldManager: String? = nil, fieldValidation: FieldValidation? = nil, isDryRun: Bool = false) {
        self.fieldManager = fieldManager
        self.fieldValidation = fieldValidation
        self.isDryRun = isDryRun
    }

    func query(fieldManager name: String, force: Bool? = nil) -> [QueryItem] {
        var items: [QueryItem] = []
        items.add("fieldManager", fieldManager ?? name)
        items.add("fieldValidation", fieldValidation?.rawValue)
        items.add("force", force == true ? "true" : nil)
        items.add("dryRun", isDryRun ? "All" : nil)
        return items
    }
}

/// What happens to the objects that a deleted object owns (`propagationPolicy`).
public enum PropagationPolicy: String, Sendable, Hashable {
    /// They stay, without the owner.
    case orphan = "Orphan"
    /// They go after it.
    case background = "Background"
    /// They go before it.
    case foreground = "Foreground"
}

/// How an object is deleted.
public struct DeleteOptions: Sendable, Hashable {
    /// What happens to owned objects; `nil` for the resource's default.
    public var propagation: PropagationPolicy?
    /// Seconds that the object may take to end; 0 for at once, `nil` for its own period.
    public var gracePeriodSeconds: Int?
    /// Deletes only the object with this uid.
    public var uid: String?
    /// Deletes only this version of the object.
    public var resourceVersion: String?
    /// Whether the server only says what would happen.
    public var isDryRun: Bool

    /// Options for a deletion.
    public init(
        propagation: PropagationPolicy? = nil,
        gracePeriodSeconds: Int? = nil,
        uid: String? = nil,
        resourceVersion: String? = nil,
        isDryRun: Bool = false
    ) {
        self.propagation = propagation
        self.gracePeriodSeconds = gracePeriodSeconds
        self.uid = uid
        self.resourceVersion = resourceVersion
        self.isDryRun = isDryRun
    }

    /// The `DeleteOptions` object that is sent as the body.
    public var json: JSONValue {
        var json: JSONValue = ["apiVersion": "v1", "kind": "DeleteOptions"]
        if let propagation { json["propagationPolicy"] = .string(propagation.rawValue) }
        if let gracePeriodSeconds { json["gracePeriodSeconds"] = JSONValue(gracePeriodSeconds) }
        if let uid { json.set(.string(uid), at: "preconditions", "uid") }
        if let resourceVersion { json.set(.string(resourceVersion), at: "preconditions", "resourceVersion") }
        if isDryRun { json["dryRun"] = ["All"] }
        return json
    }
}

/// The body of a patch, by its kind.
public enum PatchBody: Sendable, Hashable {
    /// Operations of RFC 6902.
    case json([JSONValue])
    /// A merge patch of RFC 7386; `null` removes a member, arrays are replaced.
    case merge(JSONValue)
    /// As merge, but lists of built-in types are merged by their key.
    case strategicMerge(JSONValue)

    /// The content type that selects the kind.
    public var contentType: String {
        switch self {
        case .json: "application/json-patch+json"
        case .merge: "application/merge-patch+json"
        case .strategicMerge: "application/strategic-merge-patch+json"
        }
    }

    /// The body.
    public var json: JSONValue {
        switch self {
        case .json(let operations): .array(operations)
        case .merge(let patch), .strategicMerge(let patch): patch
        }
    }
}
