// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension APIStatus {
    /// 400: the request makes no sense.
    static func badRequest(_ message: String) -> APIStatus {
        APIStatus(code: 400, reason: "BadRequest", message: message)
    }

    /// 400: the object in the body isn't the one that the URL names.
    static func otherName(_ name: String, than key: ObjectKey) -> APIStatus {
        badRequest("the name of the object (\(name)) does not match the name on the URL (\(key.name))")
    }

    /// 500 without a reason, as the server answers plain errors.
    static func plain(_ message: String) -> APIStatus { APIStatus(code: 500, reason: "", message: message) }

    /// 404: there is no such object.
    static func notFound(_ kind: StoredKind, _ name: String) -> APIStatus {
        APIStatus(
            code: 404,
            reason: "NotFound",
            message: "\(kind.qualifiedName) \"\(name)\" not found",
            name: name,
            group: kind.group,
            kind: kind.plural
        )
    }

    /// 409: the name is taken.
    static func alreadyExists(_ kind: StoredKind, _ name: String) -> APIStatus {
        APIStatus(
            code: 409,
            reason: "AlreadyExists",
            message: "\(kind.qualifiedName) \"\(name)\" already exists",
            name: name,
            group: kind.group,
            kind: kind.plural
        )
    }

    /// 409: the object is not what the client saw.
    static func conflict(_ kind: StoredKind, _ name: String, _ why: String = APIStatus.modified) -> APIStatus {
        APIStatus(
            code: 409,
            reason: "Conflict",
            message: "Operation cannot be fulfilled on \(kind.qualifiedName) \"\(name)\": \(why)",
            name: name,
            group: kind.group,
            kind: kind.plural
        )
    }

    /// Why most conflicts are one.
    static let modified =
        "the object has been modified; please apply your changes to the latest version and try again"

    /// 403: something forbids it; all of a kind where there is no name.
    static func forbidden(_ kind: StoredKind, _ name: String, _ why: String, causes: [Cause] = []) -> APIStatus {
        APIStatus(
            code: 403,
            reason: "Forbidden",
            message: "\(kind.qualifiedName)\(name.isEmpty ? "" : " \"\(name)\"") is forbidden: \(why)",
            name: name,
            group: kind.group,
            kind: kind.plural,
            causes: causes
        )
    }

    /// 422: fields are wrong.
    static func invalid(group: String, kind: String, name: String, causes: [Cause]) -> APIStatus {
        let lines = causes.map { $0.field.isEmpty ? $0.message : "\($0.field): \($0.message)" }
        var seen: Set<String> = []
        let unique = lines.filter { seen.insert($0).inserted }
        let text = unique.count == 1 ? unique[0] : "[\(unique.joined(separator: ", "))]"
        let qualified = group.isEmpty ? kind : "\(kind).\(group)"
        return APIStatus(
            code: 422,
            reason: "Invalid",
            message: "\(qualified) \"\(name)\" is invalid: \(text)",
            name: name,
            group: group,
            kind: kind,
            causes: causes
        )
    }

    /// 422: what a patch makes of an object can't be one.
    static func invalidPatch(_ patch: String, _ why: String) -> APIStatus {
        var status = invalid(group: "", kind: "", name: "", causes: [.invalid("patch", .string(patch), why)])
        status.name = nil
        return status
    }

    /// 422: options of the request are wrong.
    static func invalidOptions(_ kind: String, _ causes: [Cause]) -> APIStatus {
        var status = invalid(group: "meta.k8s.io", kind: kind, name: "", causes: causes)
        status.name = nil
        return status
    }

    /// 404: there is no such resource.
    static let unknownResource = APIStatus(
        code: 404,
        reason: "NotFound",
        message: "the server could not find the requested resource",
        hasDetails: true
    )

    /// 501: a stream into a container, which pods that are processes of this machine don't have.
    static func noStream(_ subresource: String) -> APIStatus {
        APIStatus(
            code: 501,
            reason: "NotImplemented",
            message: "the local cluster has no pods/\(subresource): its pods are processes of this machine, to be "
                + "reached at their pod IP from here",
            hasDetails: true
        )
    }

    /// 406: the client takes no form that the server has; custom resources are served by another part, with other words.
    static func notAcceptable(isCustom: Bool) -> APIStatus {
        let forms = BodyDecoder.accepted
        let streams = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"]
        return APIStatus(
            code: 406,
            reason: "NotAcceptable",
            message: isCustom
                ? "only the following media types are accepted: " + forms.joined(separator: ", ")
                : "406: Not Acceptable\n\nAvailable representations: " + (forms + streams).joined(separator: ", "),
            hasDetails: !isCustom
        )
    }

    /// 405: the resource can't do that.
    static let methodNotAllowed = APIStatus(
        code: 405,
        reason: "MethodNotAllowed",
        message: "the server does not allow this method on the requested resource",
        hasDetails: true
    )

    /// 415: the body's format is unknown.
    static func unsupportedMediaType(accepted: [String]) -> APIStatus {
        APIStatus(
            code: 415,
            reason: "UnsupportedMediaType",
            message: "the body of the request was in an unknown format - accepted media types include: "
                + accepted.joined(separator: ", ")
        )
    }

    /// 410: the history doesn't reach back that far.
    static func expired(_ message: String) -> APIStatus { APIStatus(code: 410, reason: "Expired", message: message) }

    /// 504: the client knows of a later state than the server.
    ///
    /// `isRetriable` says that waiting may help: where the server would have waited before it answered.
    static func tooLargeResourceVersion(_ wanted: Int64, current: Int64, isRetriable: Bool = true) -> APIStatus {
        APIStatus(
            code: 504,
            reason: "Timeout",
            message: "Timeout: Too large resource version: \(wanted), current: \(current)",
            causes: [Cause(reason: "ResourceVersionTooLarge", message: "Too large resource version", field: "")],
            retryAfterSeconds: isRetriable ? 1 : nil
        )
    }

    /// 410: the first page's state is forgotten; the token in it goes on in the present one.
    static func expiredPage(after last: String) -> APIStatus {
        var status = expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
                + "without the continue parameter, or use the continue token in this response to retrieve the "
                + "remainder of the results. Continuing with the provided token results in an inconsistent list - "
                + "objects that were created, modified, or deleted between the time the first chunk was returned and "
                + "now may show up in the list."
        )
        status.continueToken = ContinueToken(revision: ContinueToken.anyRevision, last: last).text
        return status
    }

    /// 501: a part of Kubernetes that this server doesn't have.
    static func notImplemented(_ what: String) -> APIStatus {
        APIStatus(code: 501, reason: "NotImplemented", message: "\(what) is not implemented by this server")
    }

    /// A status whose details are an empty object, as some of the server's are: `kind` is an empty text.
    private init(code: Int, reason: String, message: String, hasDetails: Bool) {
        self.init(code: code, reason: reason, message: message, kind: hasDetails ? "" : nil)
    }

    /// The JSON as the server sends it.
    var responseJSON: JSONValue {
        var json = self.json
        for member in ["kind", "name"] where json.at("details", member)?.string == "" {
            json.set(nil, at: "details", member)
        }
        return json
    }
}

extension APIStatus.Cause {
    /// A field's value is wrong.
    static func invalid(_ field: String, _ value: JSONValue, _ why: String) -> APIStatus.Cause {
        APIStatus.Cause(
            reason: "FieldValueInvalid",
            message: "Invalid value: \(value.jsonText): \(why)",
            field: field
        )
    }

    /// A field is missing.
    static func required(_ field: String, _ why: String = "") -> APIStatus.Cause {
        APIStatus.Cause(
            reason: "FieldValueRequired",
            message: why.isEmpty ? "Required value" : "Required value: \(why)",
            field: field
        )
    }

    /// A field must not be there, or must not change.
    static func forbidden(_ field: String, _ why: String) -> APIStatus.Cause {
        APIStatus.Cause(reason: "FieldValueForbidden", message: "Forbidden: \(why)", field: field)
    }

    /// A field's value is none of the known ones.
    static func unsupported(_ field: String, _ value: JSONValue, supported: [String]) -> APIStatus.Cause {
        let list = supported.map { "\"\($0)\"" }.joined(separator: ", ")
        return APIStatus.Cause(
            reason: "FieldValueNotSupported",
            message: "Unsupported value: \(value.jsonText): supported values: \(list)",
            field: field
        )
    }
}
