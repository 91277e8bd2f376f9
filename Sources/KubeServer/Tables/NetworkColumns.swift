// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The columns of Services and of what stands behind them.
enum NetworkColumns {
    /// Services.
    static let services: [TableColumn] = [
        TableColumns.text("Type", "How the Service is reached.", "spec", "type"),
        TableColumn("Cluster-IP", about: "The address inside the cluster.") { service, _ in
            .string(service["spec", "clusterIP"]?.string.flatMap { $0.isEmpty ? nil : $0 } ?? "<none>")
        },
        TableColumn("External-IP", about: "The address outside the cluster.") { service, _ in
            .string(external(service))
        },
        TableColumn("Port(s)", about: "The ports.") { service, _ in .string(ports(service)) },
        TableColumns.age,
        TableColumn("Selector", about: "The labels of its pods.", wide: true) { service, _ in
            .string(TableColumns.labels(service["spec", "selector"]))
        },
    ]

    /// APIServices.
    static let apiServices: [TableColumn] = [
        TableColumn("Service", about: "The Service that answers for the version.") { object, _ in
            guard let service = object["spec", "service"], let name = service["name"]?.string else { return "Local" }
            return .string("\(service["namespace"]?.string ?? "")/\(name)")
        },
        TableColumn("Available", about: "Whether it answers.") { object, _ in
            let condition = ConditionSet(object)["Available"]
            guard let condition else { return "Unknown" }
            return .string(
                condition.status == .isTrue ? "True" : "\(condition.status.rawValue) (\(condition.reason))"
            )
        },
        TableColumns.age,
    ]

    /// Endpoint slices.
    static let endpointSlices: [TableColumn] = [
        TableColumns.text("AddressType", "The kind of address.", "addressType"),
        TableColumn("Ports", about: "The ports.") { slice, _ in
            let ports = (slice["ports"]?.array ?? []).map { $0["port"]?.integer.map(String.init) ?? "*" }
            return .string(ports.isEmpty ? "<unset>" : short(ports))
        },
        TableColumn("Endpoints", about: "The addresses.") { slice, _ in
            let addresses = (slice["endpoints"]?.array ?? []).flatMap { $0["addresses"]?.array ?? [] }.compactMap(
                \.string
            )
            return .string(addresses.isEmpty ? "<unset>" : short(addresses))
        },
        TableColumns.age,
    ]

    private static func short(_ texts: [String]) -> String {
        texts.count > 3
            ? texts.prefix(3).joined(separator: ",") + " + \(texts.count - 3) more..." : texts.joined(separator: ",")
    }

    private static func external(_ service: KubeObject) -> String {
        switch service["spec", "type"]?.string {
        case "ExternalName": return service["spec", "externalName"]?.string ?? "<none>"
        case "LoadBalancer":
            let ingress = service["status", "loadBalancer", "ingress"]?.array ?? []
            let found = ingress.compactMap { $0["ip"]?.string ?? $0["hostname"]?.string }
            return found.isEmpty ? "<pending>" : found.joined(separator: ",")
        default:
            let addresses = (service["spec", "externalIPs"]?.array ?? []).compactMap(\.string)
            return addresses.isEmpty ? "<none>" : addresses.joined(separator: ",")
        }
    }

    private static func ports(_ service: KubeObject) -> String {
        let texts = (service["spec", "ports"]?.array ?? []).map { port -> String in
            let number = port["port"]?.integer ?? 0
            let transport = port["protocol"]?.string ?? "TCP"
            guard let node = port["nodePort"]?.integer, node > 0 else { return "\(number)/\(transport)" }
            return "\(number):\(node)/\(transport)"
        }
        return texts.isEmpty ? "<none>" : texts.joined(separator: ",")
    }
}

/// The columns of nodes.
enum NodeColumns {
    /// All of them.
    static let all: [TableColumn] = [
        TableColumn("Status", about: "Whether the node can run pods.") { node, _ in
            let ready = (node["status", "conditions"]?.array ?? []).first { $0["type"]?.string == "Ready" }
            let text = ready.map { $0["status"]?.string == "True" ? "Ready" : "NotReady" } ?? "Unknown"
            return .string(node["spec", "unschedulable"]?.bool == true ? text + ",SchedulingDisabled" : text)
        },
        TableColumn("Roles", about: "What the node is for.") { node, _ in
            let prefix = "node-role.kubernetes.io/"
            let roles = node.labels.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
            return .string(roles.isEmpty ? "<none>" : roles.sorted().joined(separator: ","))
        },
        TableColumns.age,
        TableColumns.text("Version", "The version of the node's agent.", "status", "nodeInfo", "kubeletVersion"),
        TableColumn("Internal-IP", about: "The address inside the cluster.", wide: true) { node, _ in
            address(node, "InternalIP")
        },
        TableColumn("External-IP", about: "The address outside the cluster.", wide: true) { node, _ in
            address(node, "ExternalIP")
        },
        info("OS-Image", "The operating system.", "osImage"),
        info("Kernel-Version", "The kernel.", "kernelVersion"),
        info("Container-Runtime", "What runs containers.", "containerRuntimeVersion"),
    ]

    private static func address(_ node: KubeObject, _ type: String) -> JSONValue {
        (node["status", "addresses"]?.array ?? []).first { $0["type"]?.string == type }?["address"] ?? "<none>"
    }

    private static func info(_ name: String, _ about: String, _ member: String) -> TableColumn {
        TableColumn(name, about: about, wide: true) { node, _ in
            .string(node["status", "nodeInfo", member]?.string.flatMap { $0.isEmpty ? nil : $0 } ?? "<unknown>")
        }
    }
}
