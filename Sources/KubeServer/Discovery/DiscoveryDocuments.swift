// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What the server says of its own resources.
struct DiscoveryDocuments: Sendable {
    /// The resources, built-in ones first.
    let resources: [APIResource]
    /// The versions that other servers answer for, in their order.
    var aggregatedVersions: [AggregatedVersion] = []

    /// The groups other than the core group: built-in ones in the real server's order, then those of custom resources.
    var groups: [String] {
        var seen: [String] = []
        for resource in resources where !resource.type.group.isEmpty && !seen.contains(resource.type.group) {
            seen.append(resource.type.group)
        }
        return Self.order.filter(seen.contains) + seen.filter { !Self.order.contains($0) }
    }

    /// The groups that other servers alone answer for.
    var aggregatedGroups: [String] {
        let own = Set(groups)
        var seen: [String] = []
        for version in aggregatedVersions where !own.contains(version.group) && !seen.contains(version.group) {
            seen.append(version.group)
        }
        return seen
    }

    private static let order = [
        "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
        "autoscaling", "batch", "policy", "apiextensions.k8s.io", "coordination.k8s.io", "discovery.k8s.io",
    ]

    /// The versions of a group, stable ones first, then newer before older.
    func versions(_ group: String) -> [String] {
        var found: [String] = []
        for resource in resources where resource.type.group == group && !found.contains(resource.type.version) {
            found.append(resource.type.version)
        }
        return found.sorted { VersionOrder($0) < VersionOrder($1) }
    }

    /// `/api`
    func coreVersions(address: String) -> JSONValue {
        [
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [["clientCIDR": "0.0.0.0/0", "serverAddress": .string(address)]],
        ]
    }

    /// `/apis`
    var groupList: JSONValue {
        let list = (groups + aggregatedGroups).compactMap { name -> JSONValue? in
            guard var json = group(name) else { return nil }
            json["kind"] = nil
            json["apiVersion"] = nil
            return json
        }
        return ["kind": "APIGroupList", "apiVersion": "v1", "groups": .array(list)]
    }

    /// `/apis/GROUP`
    func group(_ name: String) -> JSONValue? {
        let own = versions(name)
        let others = aggregatedVersions.filter { $0.group == name && !own.contains($0.version) }.map(\.version)
        let versions = (own + others).map { version -> JSONValue in
            ["groupVersion": .string("\(name)/\(version)"), "version": .string(version)]
        }
        guard let preferred = versions.first else { return nil }
        return [
            "kind": "APIGroup", "apiVersion": "v1", "name": .string(name), "versions": .array(versions),
            "preferredVersion": preferred,
        ]
    }

    /// `/api/v1` and `/apis/GROUP/VERSION`
    func resourceList(group: String, version: String) -> JSONValue? {
        let found = resources.filter { $0.type.group == group && $0.type.version == version }
        guard !found.isEmpty else { return nil }
        let list = found.sorted { $0.type.plural < $1.type.plural }.flatMap(Self.entries)
        return [
            "kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": .string(group.isEmpty ? version : "\(group)/\(version)"), "resources": .array(list),
        ]
    }

    /// Aggregated discovery of the core group, or of all others.
    func aggregated(core: Bool) -> JSONValue {
        let items = (core ? [""] : groups).map { group -> JSONValue in
            let versions = versions(group).map { version -> JSONValue in
                let found = resources.filter { $0.type.group == group && $0.type.version == version }
                return [
                    "version": .string(version), "freshness": "Current",
                    "resources": .array(found.sorted { $0.type.plural < $1.type.plural }.map(Self.aggregatedEntry)),
                ]
            }
            return [
                "metadata": group.isEmpty ? [:] : ["name": .string(group)], "versions": .array(versions),
            ]
        }
        return [
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": [:],
            "items": .array(items),
        ]
    }

    private static func entries(_ resource: APIResource) -> [JSONValue] {
        var main: JSONValue = [
            "name": .string(resource.type.plural), "singularName": .string(resource.singular),
            "namespaced": .bool(resource.type.isNamespaced), "kind": .string(resource.type.kind),
            "verbs": strings(resource.verbs),
        ]
        addNames(resource, to: &main)
        return [main]
            + subresources(resource).map { sub in
                var json: JSONValue = [
                    "name": .string("\(resource.type.plural)/\(sub.name)"), "singularName": "",
                    "namespaced": .bool(resource.type.isNamespaced), "kind": .string(sub.kind),
                    "verbs": strings(sub.verbs),
                ]
                json["group"] = sub.group.map(JSONValue.string)
                json["version"] = sub.version.map(JSONValue.string)
                return json
            }
    }

    private static func aggregatedEntry(_ resource: APIResource) -> JSONValue {
        var json: JSONValue = [
            "resource": .string(resource.type.plural), "singularResource": .string(resource.singular),
            "scope": resource.type.isNamespaced ? "Namespaced" : "Cluster", "verbs": strings(resource.verbs),
            "responseKind": responseKind(resource, nil),
        ]
        addNames(resource, to: &json)
        let subs = subresources(resource).map { sub -> JSONValue in
            [
                "subresource": .string(sub.name), "responseKind": responseKind(resource, sub),
                "verbs": strings(sub.verbs),
            ]
        }
        if !subs.isEmpty { json["subresources"] = .array(subs) }
        return json
    }

    /// Built-in kinds leave group and version to the place where they are listed, as the real server does.
    private static func responseKind(_ resource: APIResource, _ sub: APIResource.Subresource?) -> JSONValue {
        [
            "group": .string(sub?.group ?? (resource.isCustom ? resource.type.group : "")),
            "version": .string(sub?.version ?? (resource.isCustom ? resource.type.version : "")),
            "kind": .string(sub?.kind ?? resource.type.kind),
        ]
    }

    /// All subresources of a resource with status and scale, in the order of their names where it is built-in.
    private static func subresources(_ resource: APIResource) -> [APIResource.Subresource] {
        var all = resource.subresources
        if resource.hasStatus {
            all.append(.init(name: "status", kind: resource.type.kind, verbs: ["get", "patch", "update"]))
        }
        if resource.scale != nil {
            all.append(
                .init(
                    name: "scale",
                    kind: "Scale",
                    group: "autoscaling",
                    version: "v1",
                    verbs: ["get", "patch", "update"]
                )
            )
        }
        return resource.isCustom ? all : all.sorted { $0.name < $1.name }
    }

    private static func addNames(_ resource: APIResource, to json: inout JSONValue) {
        if !resource.shortNames.isEmpty { json["shortNames"] = strings(resource.shortNames) }
        if !resource.categories.isEmpty { json["categories"] = strings(resource.categories) }
    }

    private static func strings(_ list: [String]) -> JSONValue { .array(list.map(JSONValue.string)) }
}

/// The order of API versions: `v2`, `v1`, `v1beta2`, `v1beta1`, `v1alpha1`, then anything else by name.
struct VersionOrder: Comparable {
    private let rank: (stability: Int, major: Int, minor: Int)
    private let text: String

    /// The place of a version.
    init(_ text: String) {
        self.text = text
        var rest = text.dropFirst()
        let major = Int(rest.prefix(while: \.isNumber))
        rest = rest.drop(while: \.isNumber)
        let word = rest.prefix { !$0.isNumber }
        let minor = Int(rest.dropFirst(word.count))
        guard text.hasPrefix("v"), let major else {
            rank = (3, 0, 0)
            return
        }
        switch (word, minor) {
        case ("", nil): rank = (0, -major, 0)
        case ("beta", let minor?): rank = (1, -major, -minor)
        case ("alpha", let minor?): rank = (2, -major, -minor)
        default: rank = (3, 0, 0)
        }
    }

    /// Earlier versions come first.
    static func < (left: VersionOrder, right: VersionOrder) -> Bool {
        left.rank == right.rank ? left.text < right.text : left.rank < right.rank
    }

    /// Whether both are the same version.
    static func == (left: VersionOrder, right: VersionOrder) -> Bool { left.text == right.text }
}
