// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The four ways to patch, by their media types.
enum PatchKind: String, Sendable {
    /// RFC 6902.
    case json = "application/json-patch+json"
    /// RFC 7386.
    case merge = "application/merge-patch+json"
    /// Kubernetes' merge patch that knows lists' keys.
    case strategic = "application/strategic-merge-patch+json"
    /// Server-side apply.
    case apply = "application/apply-patch+yaml"

    /// The kind that a request's body has; 415 when `resource` doesn't know it.
    static func of(_ request: ServerRequest, _ resource: APIResource) throws(APIStatus) -> PatchKind {
        let all: [PatchKind] = resource.isCustom ? [.json, .merge, .apply] : [.json, .merge, .strategic, .apply]
        if let kind = PatchKind(rawValue: request.contentType) {
            guard all.contains(kind) else { throw .unsupportedMediaType(accepted: all.map(\.rawValue)) }
            return kind
        }
        if request.contentType.hasPrefix("application/apply-patch+") {
            throw .unsupportedMediaType(accepted: all.map(\.rawValue))
        }
        var status = APIStatus.unsupportedMediaType(accepted: [])
        status.message = "415: Unsupported Media Type"
        status.kind = ""
        throw status
    }

    /// The patch in a request's body, with the paths of fields that it has twice.
    func patch(_ request: ServerRequest) throws(APIStatus) -> (value: JSONValue, duplicates: [String]) {
        if self == .apply { return (try BodyDecoder.yaml(request.body), []) }
        var duplicates: [String] = []
        let patch: JSONValue
        do { patch = try JSONValue(parsing: request.body, duplicates: &duplicates) } catch {
            throw .badRequest("error decoding patch: \(GoWording.text(error, request.body))")
        }
        if self == .merge || self == .strategic, patch.object == nil, !patch.isNull {
            throw .badRequest(
                "error decoding patch: json: cannot unmarshal \(patch.goTypeName) into Go value of type "
                    + "map[string]interface {}"
            )
        }
        return (patch.isNull ? .emptyObject : patch, self == .json ? [] : duplicates)
    }

    /// `target` with a patch of this kind; an apply merges elsewhere.
    func patched(_ target: JSONValue, _ patch: JSONValue, schema: TypeSchema) throws(APIStatus) -> JSONValue {
        do {
            switch self {
            case .json: return try JSONPatch.apply(patch, to: target)
            case .merge, .apply: return MergePatch.apply(patch, to: target)
            case .strategic: return try StrategicMergePatch.apply(patch, to: target, schema: schema)
            }
        } catch {
            var status = error.status
            if status.code == 422, status.kind == nil { status.kind = "" }
            throw status
        }
    }
}
