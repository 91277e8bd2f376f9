// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// A Kubernetes object: its whole JSON, with typed access to what every object has.
///
/// Nothing that isn't understood is lost: accessors read and write the JSON in place.
public struct KubeObject: Sendable, Hashable {
    /// The whole object.
    public var json: JSONValue

    /// An object with this JSON.
    public init(_ json: JSONValue) { self.json = json }

    /// A new object of `type` with a name.
    public init(_ type: ResourceType, namespace: String?, name: String) {
        json = [
            "apiVersion": .string(type.apiVersion), "kind": .string(type.kind), "metadata": ["name": .string(name)],
        ]
        if let namespace { self.namespace = namespace }
    }

    /// The member at a path: `object["spec", "replicas"]`.
    public subscript(path: String...) -> JSONValue? {
        get { json.value(at: path) }
        set { json.set(newValue, path: path[...]) }
    }

    /// `apps/v1`; empty when missing.
    public var apiVersion: String { json["apiVersion"]?.string ?? "" }

    /// `Deployment`; empty when missing.
    public var kind: String { json["kind"]?.string ?? "" }

    /// `metadata.name`; empty when missing.
    public var name: String {
        get { json.at("metadata", "name")?.string ?? "" }
        set { json.set(.string(newValue), at: "metadata", "name") }
    }

    /// `metadata.namespace`
    public var namespace: String? {
        get { json.at("metadata", "namespace")?.string }
        set { json.set(newValue.map(JSONValue.string), at: "metadata", "namespace") }
    }

    /// Namespace and name.
    public var key: ObjectKey { ObjectKey(namespace: namespace, name: name) }

    /// `metadata.uid`
    public var uid: String? { json.at("metadata", "uid")?.string }

    /// `metadata.resourceVersion`
    public var resourceVersion: String? {
        get { json.at("metadata", "resourceVersion")?.string }
        set { json.set(newValue.map(JSONValue.string), at: "metadata", "resourceVersion") }
    }

    /// `metadata.generation`
    public var generation: Int64? { json.at("metadata", "generation")?.integer }

    /// `metadata.labels`; empty when missing.
    public var labels: [String: String] {
        get { Self.strings(json.at("metadata", "labels")) }
        set { json.set(newValue.isEmpty ? nil : JSONValue(newValue), at: "metadata", "labels") }
    }

    /// `metadata.annotations`; empty when missing.
    public var annotations: [String: String] {
        get { Self.strings(json.at("metadata", "annotations")) }
        set { json.set(newValue.isEmpty ? nil : JSONValue(newValue), at: "metadata", "annotations") }
    }

    /// One label; `nil` when missing. Cheaper than looking into `labels`, which are made anew each time.
    public func label(_ name: String) -> String? { json["metadata"]?["labels"]?[name]?.string }

    /// One annotation; `nil` when missing. Cheaper than looking into `annotations`, which are made anew each time.
    public func annotation(_ name: String) -> String? { json["metadata"]?["annotations"]?[name]?.string }

    /// Sets, or with `nil` removes, one annotation.
    public mutating func setAnnotation(_ name: String, to value: String?) {
        json.set(value.map(JSONValue.string), at: "metadata", "annotations", name)
        if value == nil, json.at("metadata", "annotations")?.object?.isEmpty == true {
            json.set(nil, at: "metadata", "annotations")
        }
    }

    /// `metadata.finalizers`; empty when missing.
    public var finalizers: [String] {
        get { (json.at("metadata", "finalizers")?.array ?? []).compactMap(\.string) }
        set {
            json.set(newValue.isEmpty ? nil : .array(newValue.map(JSONValue.string)), at: "metadata", "finalizers")
        }
    }

    /// `metadata.ownerReferences`; empty when missing.
    public var ownerReferences: [OwnerReference] {
        get { (json.at("metadata", "ownerReferences")?.array ?? []).compactMap(OwnerReference.init) }
        set {
            json.set(newValue.isEmpty ? nil : .array(newValue.map(\.json)), at: "metadata", "ownerReferences")
        }
    }

    /// The owner that controls this object, if one does.
    public var controller: OwnerReference? { ownerReferences.first(where: \.isController) }

    /// `metadata.creationTimestamp`
    public var creationTimestamp: WallTime? {
        json.at("metadata", "creationTimestamp")?.string.flatMap(WallTime.init(rfc3339:))
    }

    /// `metadata.deletionTimestamp`; set while the object waits for its finalizers or its grace period.
    public var deletionTimestamp: WallTime? {
        json.at("metadata", "deletionTimestamp")?.string.flatMap(WallTime.init(rfc3339:))
    }

    /// Whether the object is being deleted.
    public var isBeingDeleted: Bool { json.at("metadata", "deletionTimestamp")?.string != nil }

    private static func strings(_ value: JSONValue?) -> [String: String] {
        guard case .object(let members)? = value else { return [:] }
        var strings: [String: String] = [:]
        for (key, value) in members { if let text = value.string { strings[key] = text } }
        return strings
    }
}
