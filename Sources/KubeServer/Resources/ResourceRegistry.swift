// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Which resources exist now: the built-in ones and those of established custom resource definitions.
struct ResourceRegistry: Sendable {
    private struct Key: Hashable {
        var group: String
        var version: String
        var plural: String
    }

    /// The built-in resources.
    let builtIn: [APIResource]
    /// The custom resources, by the name of their definition.
    private(set) var custom: [String: [APIResource]] = [:]
    /// Grows with every change of the custom resources, so that what is derived from them can be kept until then.
    private(set) var generation: UInt64 = 0
    private var byKey: [Key: APIResource] = [:]

    /// A registry of the built-in resources.
    init(builtIn: [APIResource] = BuiltInResources.all) {
        self.builtIn = builtIn
        for resource in builtIn { insert(resource) }
    }

    /// The resource that a path names.
    func resource(group: String, version: String, plural: String) -> APIResource? {
        byKey[Key(group: group, version: version, plural: plural)]
    }

    /// Whether there is any resource in a version of a group.
    func serves(group: String, version: String) -> Bool {
        byKey.keys.contains { $0.group == group && $0.version == version }
    }

    /// Whether there is any built-in resource in a group.
    func builtInServes(group: String) -> Bool { builtIn.contains { $0.type.group == group } }

    /// A resource by kind.
    func resource(apiVersion: String, kind: String) -> APIResource? {
        all.first { $0.type.apiVersion == apiVersion && $0.type.kind == kind }
    }

    /// All resources, built-in ones first, then by definition.
    var all: [APIResource] { builtIn + custom.sorted { $0.key < $1.key }.flatMap(\.value) }

    /// Replaces what a definition defines; with an empty list it is gone.
    mutating func define(_ name: String, _ resources: [APIResource]) {
        generation &+= 1
        for old in custom[name] ?? [] {
            byKey[Key(group: old.type.group, version: old.type.version, plural: old.type.plural)] = nil
        }
        custom[name] = resources.isEmpty ? nil : resources
        for resource in resources { insert(resource) }
    }

    private mutating func insert(_ resource: APIResource) {
        let type = resource.type
        byKey[Key(group: type.group, version: type.version, plural: type.plural)] = resource
    }
}
