// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The groups of other servers in aggregated discovery.
///
/// Each server is asked for the list of its resources; one that doesn't answer is `Stale` and without resources.
struct AggregatedDiscovery: Sendable {
    /// The way to the other servers.
    let proxy: AggregationProxy

    /// One item for each group that other servers alone answer for; all of them are asked at once.
    func items(_ documents: DiscoveryDocuments) async -> [JSONValue] {
        let proxy = proxy
        let groups = documents.aggregatedGroups
        let versions = documents.aggregatedVersions.filter { groups.contains($0.group) }
        let found = await withTaskGroup(of: (String, [JSONValue]?).self) { tasks in
            for version in versions {
                tasks.addTask {
                    (version.name, await proxy.resources(group: version.group, version: version.version))
                }
            }
            return await tasks.reduce(into: [String: [JSONValue]]()) { $0[$1.0] = $1.1 }
        }
        return groups.map { group in
            let list = versions.filter { $0.group == group }.map { version -> JSONValue in
                let resources = found[version.name]
                return [
                    "version": .string(version.version), "freshness": resources == nil ? "Stale" : "Current",
                    "resources": .array(Self.entries(resources ?? [], version)),
                ]
            }
            return ["metadata": ["name": .string(group)], "versions": .array(list)]
        }
    }

    /// The entries of an `APIResourceList` in the form of aggregated discovery.
    ///
    /// Names with a slash that belong to no listed resource (`pods/queue` of the metrics APIs) stay as they are.
    private static func entries(_ resources: [JSONValue], _ version: AggregatedVersion) -> [JSONValue] {
        let names = Set(resources.compactMap { $0["name"]?.string })
        func kind(_ json: JSONValue) -> JSONValue {
            [
                "group": json["group"] ?? .string(version.group),
                "version": json["version"] ?? .string(version.version), "kind": json["kind"] ?? "",
            ]
        }
        func parts(_ json: JSONValue) -> (String, String)? {
            let parts = (json["name"]?.string ?? "").split(separator: "/", maxSplits: 1).map(String.init)
            return parts.count == 2 && names.contains(parts[0]) ? (parts[0], parts[1]) : nil
        }
        return resources.filter { parts($0) == nil }.map { json in
            var entry: JSONValue = [
                "resource": json["name"] ?? "", "singularResource": json["singularName"] ?? "",
                "scope": json["namespaced"] == true ? "Namespaced" : "Cluster", "verbs": json["verbs"] ?? [],
                "responseKind": kind(json),
            ]
            entry["shortNames"] = json["shortNames"]
            entry["categories"] = json["categories"]
            let below = resources.compactMap { sub -> JSONValue? in
                guard let (parent, name) = parts(sub), .string(parent) == json["name"] else { return nil }
                return ["subresource": .string(name), "responseKind": kind(sub), "verbs": sub["verbs"] ?? []]
            }
            if !below.isEmpty { entry["subresources"] = .array(below) }
            return entry
        }
    }
}
