// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension FieldManagement {
    /// Where kubectl's client-side apply keeps what it last wrote.
    static let lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

    /// The largest total of all annotations in bytes.
    private static let maximumAnnotations = 256 << 10

    /// `result` with kubectl's annotation brought up to what it applied, where the object has one: so that a later
    /// client-side apply doesn't take the server-side one for somebody else's change.
    func withLastApplied(_ result: JSONValue, live: JSONValue?, applied: JSONValue) -> JSONValue {
        guard result.at("metadata", "annotations", Self.lastApplied)?.string?.isEmpty == false else { return result }
        var bare = applied
        bare.set(nil, at: "metadata", "annotations", Self.lastApplied)
        if bare.at("metadata", "annotations")?.object?.isEmpty == true { bare.set(nil, at: "metadata", "annotations") }
        var updated = result
        updated.set(.string(bare.jsonText + "\n"), at: "metadata", "annotations", Self.lastApplied)
        let size = (updated.at("metadata", "annotations")?.object ?? JSONObject())
            .reduce(0) { $0 + $1.key.utf8.count + ($1.value.string?.utf8.count ?? 0) }
        if size > Self.maximumAnnotations {
            updated.set(nil, at: "metadata", "annotations", Self.lastApplied)
        }
        return updated
    }

    /// Refuses an applied object that isn't of this type.
    func checkApplied(_ applied: JSONValue) throws(APIStatus) {
        let apiVersion = applied["apiVersion"]?.string ?? ""
        let kind = applied["kind"]?.string ?? ""
        guard !apiVersion.isEmpty, !kind.isEmpty else {
            let written = apiVersion.contains("/") || apiVersion.isEmpty ? apiVersion : "/" + apiVersion
            throw APIStatus(
                code: 400,
                reason: "BadRequest",
                message: "invalid object type: \(written.isEmpty ? "/" : written), Kind=\(kind)"
            )
        }
        if let list = applied.at("metadata", "managedFields"), list != .null {
            throw APIStatus(code: 400, reason: "BadRequest", message: "metadata.managedFields must be nil")
        }
        guard let problem = TypeCheck.problem(applied, schema.root) else { return }
        let namespace = applied.at("metadata", "namespace")?.string ?? ""
        let name = applied.at("metadata", "name")?.string ?? ""
        throw APIStatus(
            code: 500,
            reason: "",
            message:
                "failed to create typed patch object (\(namespace)/\(name); \(apiVersion), Kind=\(kind)): \(problem)"
        )
    }
}
