// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeAPI
import KubeModel

/// What an autoscaler scales, read through its scale subresource.
struct ScaleTarget: Sendable {
    /// The resource.
    var type: ResourceType
    /// Namespace and name.
    var key: ObjectKey
    /// The wanted replicas.
    var wanted: Int
    /// The replicas that there are.
    var statusReplicas: Int
    /// The selector of its pods.
    var selector: String?

    /// Reads the scale of a `scaleTargetRef`.
    /// - Throws: `KubeError`; `UnknownKind` when no resource has that kind.
    init(_ client: KubeClient, reference: JSONValue, namespace: String) async throws {
        type = try await Self.type(
            client,
            apiVersion: reference["apiVersion"]?.string ?? "v1",
            kind: reference["kind"]?.string ?? ""
        )
        key = ObjectKey(namespace: namespace, name: reference["name"]?.string ?? "")
        let scale = try await client.get(type, key, subresource: "scale")
        wanted = scale["spec", "replicas"]?.int ?? 0
        statusReplicas = scale["status", "replicas"]?.int ?? 0
        selector = scale["status", "selector"]?.string
    }

    /// The resource of a kind, as discovery tells it.
    static func type(_ client: KubeClient, apiVersion: String, kind: String) async throws -> ResourceType {
        let parts = apiVersion.split(separator: "/").map(String.init)
        let (group, version) = parts.count == 2 ? (parts[0], parts[1]) : ("", apiVersion)
        let path = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        let resources = try await client.raw(.get, path)["resources"]?.array ?? []
        let match = resources.first { $0["kind"]?.string == kind && $0["name"]?.string?.contains("/") == false }
        guard let match, let plural = match["name"]?.string else {
            throw UnknownKind(description: "no matches for kind \"\(kind)\" in version \"\(apiVersion)\"")
        }
        return ResourceType(
            group: group,
            version: version,
            kind: kind,
            plural: plural,
            isNamespaced: match["namespaced"] == true
        )
    }

    /// No resource has the kind.
    struct UnknownKind: Error, CustomStringConvertible {
        /// The kind and version.
        var description: String
    }
}
