// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// The values that the API server fills into built-in objects.
public enum BuiltInDefaults {
    /// `object` with the defaults of its kind; idempotent.
    ///
    /// What needs other objects (a Service's addresses, a Pod's service account) is left to the server.
    public static func applying(to object: JSONValue, type: ResourceType) -> JSONValue {
        var result = object
        if let name = BuiltInTypes.structureName(of: type) {
            result = BuiltInShape.completing(result, .reference(name))
        }
        switch (type.group, type.kind) {
        case ("", "Pod"):
            result["spec"] = PodDefaults.podSpec(result["spec"] ?? .emptyObject, isTemplate: false)
            if result.at("status", "phase") == nil { result.set("Pending", at: "status", "phase") }
            if result.at("status", "qosClass") == nil {
                result.set(.string(PodDefaults.qualityOfService(result["spec"])), at: "status", "qosClass")
            }
        case ("", "Service"): ServiceDefaults.apply(to: &result)
        case ("", "Namespace"): namespace(&result)
        case ("", "Secret"):
            result.fill("Opaque", at: "type")
            moveStringData(&result)
        case ("", "Node"):
            // Go always writes the port; generated clients insist on it.
            result.fill(0, at: "status", "daemonEndpoints", "kubeletEndpoint", "Port")
        case ("", "PersistentVolumeClaim"):
            result.fill("Filesystem", at: "spec", "volumeMode")
            result.fill("Pending", at: "status", "phase")
        case ("", "Event"):
            for name in ["reportingComponent", "reportingInstance"] { result.fill("", at: name) }
            for name in ["firstTimestamp", "lastTimestamp", "eventTime"] where result[name] == nil {
                result[name] = .null
            }
        case ("apps", "Deployment"), ("apps", "ReplicaSet"), ("apps", "StatefulSet"), ("apps", "DaemonSet"):
            WorkloadDefaults.apply(to: &result, kind: type.kind)
        case ("autoscaling", "HorizontalPodAutoscaler") where type.version == "v1":
            AutoscalerDefaults.applyFirst(to: &result)
        case ("autoscaling", "HorizontalPodAutoscaler"): AutoscalerDefaults.apply(to: &result)
        case ("discovery.k8s.io", "EndpointSlice"): endpointSlice(&result)
        case ("policy", "PodDisruptionBudget"):
            for name in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
                result.fill(0, at: "status", name)
            }
        case ("rbac.authorization.k8s.io", "RoleBinding"), ("rbac.authorization.k8s.io", "ClusterRoleBinding"):
            roleBinding(&result)
        case ("rbac.authorization.k8s.io", "Role"), ("rbac.authorization.k8s.io", "ClusterRole"):
            if result["rules"] == nil { result["rules"] = .null }
        case ("events.k8s.io", "Event"):
            if result["deprecatedFirstTimestamp"] == nil { result["deprecatedFirstTimestamp"] = .null }
            if result["deprecatedLastTimestamp"] == nil { result["deprecatedLastTimestamp"] = .null }
        case ("apiextensions.k8s.io", "CustomResourceDefinition"): CustomResourceDefaults.apply(to: &result)
        default: break
        }
        return result
    }

    private static func namespace(_ object: inout JSONValue) {
        // One that is going has had its contents removed when its finalizers are gone.
        if object.at("metadata", "deletionTimestamp") == nil {
            object.fill(["kubernetes"], at: "spec", "finalizers")
        }
        object.fill("Active", at: "status", "phase")
        if let name = object.at("metadata", "name") {
            object.set(name, at: "metadata", "labels", "kubernetes.io/metadata.name")
        }
    }

    private static func moveStringData(_ object: inout JSONValue) {
        guard let texts = object["stringData"]?.object else { return }
        for (name, text) in texts {
            object.set(.string(Base64.encoded(Array((text.string ?? "").utf8))), at: "data", name)
        }
        object["stringData"] = nil
    }

    private static func endpointSlice(_ object: inout JSONValue) {
        if object["endpoints"] == nil { object["endpoints"] = .null }
        if object["ports"] == nil { object["ports"] = .null }
        object.mapElements(at: "ports") { port in
            port.fill("", at: "name")
            port.fill("TCP", at: "protocol")
        }
        object.mapElements(at: "endpoints") { endpoint in
            if endpoint["conditions"] == nil { endpoint["conditions"] = .emptyObject }
        }
    }

    private static func roleBinding(_ object: inout JSONValue) {
        object.fill("rbac.authorization.k8s.io", at: "roleRef", "apiGroup")
        object.mapElements(at: "subjects") { subject in
            if subject["kind"]?.string != "ServiceAccount" { subject.fill("rbac.authorization.k8s.io", at: "apiGroup") }
        }
    }
}

extension JSONValue {
    /// Sets the value at a path where there is none, or null.
    mutating func fill(_ value: JSONValue, at path: String...) {
        let current = self.value(at: path)
        if current == nil || current == .null { set(value, path: path[...]) }
    }

    /// Changes each element of the array at a path; does nothing where there is none.
    mutating func mapElements(at path: String..., body: (inout JSONValue) -> Void) {
        guard let elements = value(at: path)?.array else { return }
        set(
            .array(
                elements.map { element in
                    var element = element
                    body(&element)
                    return element
                }
            ),
            path: path[...]
        )
    }
}

extension Base64 {
    /// Standard base64 with padding.
    static func encoded(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let chunk = bytes[index..<Swift.min(index + 3, bytes.count)]
            var bits: UInt32 = 0
            for offset in 0..<3 { bits = bits << 8 | (offset < chunk.count ? UInt32(chunk[index + offset]) : 0) }
            for digit in 0..<4 {
                let isPadding = digit > chunk.count
                result.append(isPadding ? UInt8(ascii: "=") : alphabet[Int(bits >> UInt32(18 - 6 * digit) & 63)])
            }
            index += 3
        }
        return String(decoding: result, as: UTF8.self)
    }
}
