// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeModel

/// The OpenAPI v3 documents: an index, and one document for each group and version.
struct OpenAPIDocuments: Sendable {
    /// The resources.
    let resources: [APIResource]

    /// `/openapi/v3`
    var index: JSONValue {
        var paths = JSONObject()
        for groupVersion in groupVersions {
            let path = Self.path(groupVersion)
            let hash = Self.hash(document(groupVersion).encoded())
            paths[path] = ["serverRelativeURL": .string("/openapi/v3/\(path)?hash=\(hash)")]
        }
        return ["paths": .object(paths)]
    }

    /// The document below `/openapi/v3/`; `nil` when there is none.
    func document(path: [String]) -> JSONValue? {
        groupVersions.first { Self.path($0) == path.joined(separator: "/") }.map(document)
    }

    /// A hash of a document (FNV-1a, 64 bits): changes with it, and is safe in a URL.
    static func hash(_ bytes: [UInt8]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return String(hash, radix: 16, uppercase: true)
    }

    private var groupVersions: [String] {
        var found: [String] = []
        for resource in resources where !found.contains(resource.type.apiVersion) {
            found.append(resource.type.apiVersion)
        }
        return found
    }

    private static func path(_ groupVersion: String) -> String {
        groupVersion.contains("/") ? "apis/\(groupVersion)" : "api/\(groupVersion)"
    }

    private func document(_ groupVersion: String) -> JSONValue {
        let found = resources.filter { $0.type.apiVersion == groupVersion }
        return OpenAPIDocument.json(
            groupVersion: groupVersion,
            builtIns: found.filter { !$0.isCustom }.map {
                OpenAPIResource(type: $0.type, verbs: $0.verbs, subresources: Self.subresources($0))
            },
            customs: found.filter(\.isCustom).map {
                OpenAPICustomResource(
                    type: $0.type,
                    schema: $0.custom?.schema,
                    verbs: $0.verbs,
                    subresources: Self.subresources($0)
                )
            }
        )
    }

    private static func subresources(_ resource: APIResource) -> [String] {
        resource.subresources.map(\.name) + (resource.hasStatus ? ["status"] : [])
            + (resource.scale == nil ? [] : ["scale"])
    }
}
