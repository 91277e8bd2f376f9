// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel

/// What a path of the API names.
struct APITarget: Hashable, Comparable, CustomStringConvertible {
    /// `deployments.apps`
    var resource: String
    var namespace: String?
    var name: String?
    var subresource: String?
    /// The path of the object itself.
    var objectPath: String

    /// Reads a path; `nil` for discovery and the like.
    init?(path: String) {
        var parts = path.split(separator: "/").map(String.init)
        guard let root = parts.first, root == "api" || root == "apis", parts.count >= (root == "api" ? 3 : 4) else {
            return nil
        }
        let group = root == "api" ? "" : parts[1]
        var prefix = "/" + parts.prefix(root == "api" ? 2 : 3).joined(separator: "/")
        parts.removeFirst(root == "api" ? 2 : 3)
        if parts.count > 2, parts[0] == "namespaces", parts[2] != "status", parts[2] != "finalize" {
            namespace = parts[1]
            prefix += "/namespaces/\(parts[1])"
            parts.removeFirst(2)
        }
        let plural = parts[0]
        resource = group.isEmpty ? plural : "\(plural).\(group)"
        name = parts.count > 1 ? parts[1] : nil
        subresource = parts.count > 2 ? parts[2] : nil
        objectPath = "\(prefix)/\(plural)" + (name.map { "/\($0)" } ?? "")
    }

    /// The object itself, once its name is known.
    func object(named name: String) -> APITarget {
        var target = self
        if target.name == nil { target.objectPath += "/\(name)" }
        target.name = name
        target.subresource = nil
        return target
    }

    var key: ObjectKey { ObjectKey(namespace: namespace, name: name ?? "") }

    var description: String { "\(resource) \(key)" }

    static func < (left: APITarget, right: APITarget) -> Bool {
        (left.resource, left.key) < (right.resource, right.key)
    }
}

/// All objects of the world as they are at this moment, kept up by looking at the effect of each write.
struct Mirror {
    private var objects: [String: [ObjectKey: KubeObject]] = [:]

    /// The object, if it exists.
    func object(_ resource: String, _ key: ObjectKey) -> KubeObject? { objects[resource]?[key] }

    /// All objects of a resource in the order of their keys.
    func all(_ resource: String) -> [KubeObject] {
        (objects[resource] ?? [:]).sorted { $0.key < $1.key }.map(\.value)
    }

    /// All objects.
    var everything: [(resource: String, object: KubeObject)] {
        objects.keys.sorted().flatMap { resource in all(resource).map { (resource, $0) } }
    }

    mutating func set(_ target: APITarget, _ object: KubeObject?) {
        objects[target.resource, default: [:]][target.key] = object
    }

    /// The objects that `uid` controls.
    func controlled(_ resource: String, by uid: String?) -> [KubeObject] {
        guard let uid else { return [] }
        return all(resource).filter { $0.controller?.uid == uid }
    }

    /// The pods of a revision that aren't going.
    func activePods(model: String, revision: Int) -> [KubeObject] {
        all("pods").filter {
            $0.labels[FleetAPI.modelLabel] == model && $0.labels[FleetAPI.revisionLabel] == "\(revision)"
                && !$0.isBeingDeleted
        }
    }

    /// The pods of a revision that are ready and stay.
    func readyPods(model: String, revision: Int) -> [KubeObject] {
        activePods(model: model, revision: revision).filter(\.isReadyPod)
    }

    /// The revision that a model's Service selects.
    func selectedRevision(_ key: ObjectKey) -> Int? {
        object("services", key)?["spec", "selector", FleetAPI.revisionLabel]?.string.flatMap { Int($0) }
    }
}

extension KubeObject {
    /// Whether a pod's `Ready` condition is true.
    var isReadyPod: Bool {
        self["status", "conditions"]?.array?.contains { $0["type"] == "Ready" && $0["status"] == "True" } ?? false
    }

    /// The number of a revision's object.
    var revision: Int { labels[FleetAPI.revisionLabel].flatMap { Int($0) } ?? 0 }

    /// `spec.replicas`
    var wanted: Int { self["spec", "replicas"]?.int ?? 1 }

    /// The URI of the model that a pod or a workload's pods serve.
    var servedURI: String? {
        let spec = kind == "Pod" ? self["spec"] : self["spec", "template", "spec"]
        let arguments = spec?["containers"]?[0]?["args"]?.array?.compactMap(\.string) ?? []
        guard let flag = arguments.firstIndex(of: "--model-uri"), flag + 1 < arguments.count else { return nil }
        return arguments[flag + 1]
    }
}
