// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// A patch as the body of a request has it.
struct ReadPatch: Sendable {
    /// The patch.
    var value: JSONValue
    /// Sentences about fields that it has twice or shouldn't have.
    var complaints: [String] = []
    /// The operations of a JSON patch whose numbers are written otherwise than the API server writes them.
    var respelled: Set<Int> = []
}

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

    /// The patch in a request's body.
    ///
    /// The body of an apply is an object; it is read elsewhere.
    func patch(
        _ request: ServerRequest,
        _ validation: WriteOptions.Validation
    ) throws(APIStatus) -> ReadPatch {
        var duplicates: [String] = []
        let patch: JSONValue
        do { patch = try JSONValue(parsing: request.body, duplicates: &duplicates) } catch {
            throw undecodable(GoWording.text(error, request.body), validation)
        }
        guard self != .json else {
            var read = ReadPatch(value: patch, respelled: JSONPatch.respelled(in: request.body))
            guard validation != .ignore else { return read }
            do {
                let unknown = try JSONPatch.unknownFields(in: patch)
                let complaints = duplicates.map(BodyDecoder.duplicate) + unknown.map(BodyDecoder.unknown)
                read.complaints = complaints.map { "json patch \($0)" }
                return read
            } catch {
                throw undecodable(error.detail, validation)
            }
        }
        guard patch.object != nil || patch.isNull else {
            throw undecodable(
                "json: cannot unmarshal \(patch.goTypeName) into Go value of type map[string]interface {}",
                validation
            )
        }
        if self == .merge, patch.isNull { throw .badRequest(Self.invalidMerge) }
        return ReadPatch(value: patch.isNull ? .emptyObject : patch, complaints: duplicates.map(BodyDecoder.duplicate))
    }

    private static let invalidMerge = "Invalid JSON Patch"

    /// A body that isn't a patch of this kind; each kind has a decoder of its own in the API server.
    private func undecodable(_ why: String, _ validation: WriteOptions.Validation) -> APIStatus {
        switch self {
        case .merge where validation == .ignore: .badRequest(Self.invalidMerge)
        case .json where validation == .ignore: .badRequest(why)
        case .json, .merge: .badRequest("error decoding patch: \(why)")
        case .strategic, .apply: .badRequest(why)
        }
    }

    /// `target` with a patch of this kind; an apply merges elsewhere.
    func patched(_ target: JSONValue, _ patch: ReadPatch, schema: TypeSchema) throws(APIStatus) -> JSONValue {
        do {
            switch self {
            case .json: return try JSONPatch.apply(patch.value, to: target, respelled: patch.respelled)
            case .merge, .apply: return MergePatch.apply(patch.value, to: target)
            case .strategic: return try StrategicMergePatch.apply(patch.value, to: target, schema: schema)
            }
        } catch {
            var status = error.status
            if status.code == 422, status.kind == nil { status.kind = "" }
            throw status
        }
    }
}
