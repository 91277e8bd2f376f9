// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Synchronization

/// The OpenAPI v3 documents: an index, and one document for each group and version.
///
/// A document is made and hashed once, and again after its custom resources have changed: clients ask for the index with
/// every command, and all documents together are megabytes.
final class OpenAPIDocuments: Sendable {
    /// One finished document.
    struct Document: Sendable {
        /// Its JSON.
        var bytes: [UInt8]
        /// A hash of the bytes that is safe in a URL.
        var hash: String
        /// The registry's generation that it belongs to; 0 where no custom resource is in it.
        var generation: UInt64
    }

    private let documents = Mutex<[String: Document]>([:])

    /// `/openapi/v3`
    func index(_ registry: ResourceRegistry) -> JSONValue {
        var paths = JSONObject()
        for (groupVersion, resources) in Self.groupVersions(registry) {
            let path = Self.path(groupVersion)
            let hash = document(groupVersion, resources, registry.generation).hash
            paths[path] = ["serverRelativeURL": .string("/openapi/v3/\(path)?hash=\(hash)")]
        }
        return ["paths": .object(paths)]
    }

    /// The document below `/openapi/v3/`; `nil` when there is none.
    func document(path: [String], _ registry: ResourceRegistry) -> Document? {
        let wanted = path.joined(separator: "/")
        return Self.groupVersions(registry).first { Self.path($0.0) == wanted }
            .map { document($0.0, $0.1, registry.generation) }
    }

    /// A hash (FNV-1a, 64 bits) that is safe in a URL.
    static func hash(_ bytes: [UInt8]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return String(hash, radix: 16, uppercase: true)
    }

    /// The kept document, or a new one; made outside of the lock, so that others needn't wait for it.
    private func document(_ groupVersion: String, _ resources: [APIResource], _ generation: UInt64) -> Document {
        let generation = resources.contains(where: \.isCustom) ? generation : 0
        if let kept = documents.withLock({ $0[groupVersion] }), kept.generation == generation { return kept }
        let bytes = Self.json(groupVersion, resources).encoded()
        let made = Document(bytes: bytes, hash: Self.hash(bytes), generation: generation)
        documents.withLock { kept in
            if kept[groupVersion].map({ $0.generation <= generation }) ?? true { kept[groupVersion] = made }
            if kept.count > 256 { kept = [groupVersion: made] }  // Definitions come and go: keep no more than this.
        }
        return made
    }

    private static func groupVersions(_ registry: ResourceRegistry) -> [(String, [APIResource])] {
        var order: [String] = []
        var found: [String: [APIResource]] = [:]
        for resource in registry.all {
            let groupVersion = resource.type.apiVersion
            if found[groupVersion] == nil { order.append(groupVersion) }
            found[groupVersion, default: []].append(resource)
        }
        return order.map { ($0, found[$0] ?? []) }
    }

    private static func path(_ groupVersion: String) -> String {
        groupVersion.contains("/") ? "apis/\(groupVersion)" : "api/\(groupVersion)"
    }

    private static func json(_ groupVersion: String, _ found: [APIResource]) -> JSONValue {
        OpenAPIDocument.json(
            groupVersion: groupVersion,
            builtIns: found.filter { !$0.isCustom }.map {
                OpenAPIResource(type: $0.type, verbs: $0.verbs, subresources: subresources($0))
            },
            customs: found.filter(\.isCustom).map {
                OpenAPICustomResource(
                    type: $0.type,
                    schema: $0.custom?.schema,
                    verbs: $0.verbs,
                    subresources: subresources($0)
                )
            }
        )
    }

    private static func subresources(_ resource: APIResource) -> [String] {
        resource.subresources.map(\.name) + (resource.hasStatus ? ["status"] : [])
            + (resource.scale == nil ? [] : ["scale"])
    }
}
