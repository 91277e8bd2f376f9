// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeModel

/// Small objects with what a test needs, and overrides for the rest.
public enum Make {
    /// Any object.
    public static func object(
        _ type: ResourceType,
        _ name: String,
        namespace: String? = "default",
        uid: String? = nil,
        version: String? = nil,
        labels: [String: String] = [:],
        owner: KubeObject? = nil
    ) -> KubeObject {
        var object = KubeObject(type, namespace: type.isNamespaced ? namespace : nil, name: name)
        object.json.set(uid.map(JSONValue.string), at: "metadata", "uid")
        object.resourceVersion = version
        object.labels = labels
        if let reference = owner.flatMap({ OwnerReference(controller: $0) }) { object.ownerReferences = [reference] }
        return object
    }

    /// A pod; a ready one has the condition and an address.
    public static func pod(
        _ name: String,
        namespace: String = "default",
        labels: [String: String] = [:],
        isReady: Bool = true,
        ip: String? = "10.0.0.1",
        owner: KubeObject? = nil
    ) -> KubeObject {
        var pod = object(.pods, name, namespace: namespace, uid: "uid-\(name)", labels: labels, owner: owner)
        pod["spec", "containers"] = [["name": "server", "image": "example/server:1"]]
        pod["status", "phase"] = isReady ? "Running" : "Pending"
        pod["status", "podIP"] = JSONValue(ip)
        pod["status", "conditions"] = [["type": "Ready", "status": .string(isReady ? "True" : "False")]]
        return pod
    }

    /// A list as the API server answers it.
    public static func list(
        _ type: ResourceType,
        _ objects: [KubeObject],
        version: String = "1",
        continueToken: String? = nil
    ) -> JSONValue {
        var metadata: JSONValue = ["resourceVersion": .string(version)]
        metadata["continue"] = JSONValue(continueToken)
        return [
            "apiVersion": .string(type.apiVersion), "kind": .string("\(type.kind)List"), "metadata": metadata,
            "items": .array(objects.map(\.json)),
        ]
    }
}

extension ManualTime {
    /// Waits until `count` tasks are asleep. Yields to other tasks; takes no time of its own.
    public func waitForSleepers(_ count: Int) async {
        while sleeperCount < count && !Task.isCancelled { await Task.yield() }
    }
}
