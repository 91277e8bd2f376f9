// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The endpoint slices that one Service should have, as a pure function of the Service and the pods.
struct EndpointSlicePlan: Equatable {
    /// The label that names the Service.
    static let serviceLabel = "kubernetes.io/service-name"
    /// The label that names who manages the slice.
    static let managerLabel = "endpointslice.kubernetes.io/managed-by"
    /// Who manages the slices made here.
    static let manager = "endpointslice-controller.k8s.io"

    /// The slices as they should be, by name.
    var slices: [KubeObject] = []

    /// Decides for `service` with the pods of its namespace that its selector matches; a slice for each set of ports.
    init(service: KubeObject, pods: [KubeObject]) {
        let publishesAll = service["spec", "publishNotReadyAddresses"]?.bool ?? false
        let running = pods.filter { $0["status", "podIP"]?.string != nil && !$0.isPodFinished }
            .sorted { $0.name < $1.name }
        var groups: [(ports: [JSONValue], endpoints: [JSONValue])] = []
        for pod in running {
            let ports = Self.ports(of: service, pod: pod)
            let endpoint = Self.endpoint(pod, publishesAll: publishesAll)
            if let index = groups.firstIndex(where: { $0.ports == ports }) {
                groups[index].endpoints.append(endpoint)
            } else {
                groups.append((ports, [endpoint]))
            }
        }
        if groups.isEmpty { groups = [([], [])] }
        groups.sort { JSONValue.array($0.ports).jsonText < JSONValue.array($1.ports).jsonText }
        for (index, group) in groups.enumerated() {
            var slice = KubeObject(
                .endpointSlices,
                namespace: service.namespace,
                name: Self.name(service: service, index: index)
            )
            slice.labels = service.labels.merging(
                [Self.serviceLabel: service.name, Self.managerLabel: Self.manager]) { _, own in own }
            slice.ownerReferences = OwnerReference(controller: service).map { [$0] } ?? []
            slice.json["addressType"] = "IPv4"
            slice.json["endpoints"] = .array(group.endpoints)
            slice.json["ports"] = .array(group.ports)
            slices.append(slice)
        }
    }

    /// The name of a Service's slice: its own name and five characters of its uid's hash.
    static func name(service: KubeObject, index: Int) -> String {
        "\(service.name)-\(SafeHash.text("\(service.uid ?? "")#\(index)", length: 5))"
    }

    private static func endpoint(_ pod: KubeObject, publishesAll: Bool) -> JSONValue {
        let serving = pod.isPodReady
        var endpoint: JSONValue = [
            "addresses": [pod["status", "podIP"] ?? ""],
            "conditions": [
                "ready": .bool(publishesAll || serving && !pod.isBeingDeleted), "serving": .bool(serving),
                "terminating": .bool(pod.isBeingDeleted),
            ],
        ]
        endpoint["nodeName"] = pod["spec", "nodeName"]
        var target: JSONValue = ["kind": "Pod", "name": .string(pod.name)]
        target["namespace"] = JSONValue(pod.namespace)
        target["uid"] = JSONValue(pod.uid)
        endpoint["targetRef"] = target
        if let hostname = pod["spec", "hostname"], service(pod) { endpoint["hostname"] = hostname }
        return endpoint
    }

    private static func service(_ pod: KubeObject) -> Bool { pod["spec", "subdomain"]?.string != nil }

    private static func ports(of service: KubeObject, pod: KubeObject) -> [JSONValue] {
        (service["spec", "ports"]?.array ?? []).compactMap { port in
            guard let number = targetPort(port, pod: pod) else { return nil }
            var entry: JSONValue = [
                "name": port["name"] ?? "", "port": JSONValue(number), "protocol": port["protocol"] ?? "TCP",
            ]
            entry["appProtocol"] = port["appProtocol"]
            return entry
        }
    }

    /// The number of the pod's port that a Service's port means; `nil` when the pod names no such port.
    static func targetPort(_ port: JSONValue, pod: KubeObject) -> Int? {
        switch port["targetPort"] {
        case .some(.string(let name)):
            if let number = Int(name) { return number }
            let wanted = port["protocol"]?.string ?? "TCP"
            let sidecars = (pod["spec", "initContainers"]?.array ?? [])
                .filter { $0["restartPolicy"]?.string == "Always" }
            for container in (pod["spec", "containers"]?.array ?? []) + sidecars {
                for entry in container["ports"]?.array ?? []
                where entry["name"]?.string == name && entry["protocol"]?.string ?? "TCP" == wanted {
                    return entry["containerPort"]?.int
                }
            }
            return nil
        case .some(let value) where value.int.map { $0 > 0 } ?? false: return value.int
        default: return port["port"]?.int
        }
    }
}
