// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Where a listener of a Service listens.
struct ServiceListener: Sendable, Hashable {
    /// The Service.
    var service: ObjectKey
    /// The address.
    var address: String
    /// The port.
    var port: Int
}

/// One address behind a Service.
struct ServiceTarget: Sendable, Hashable, Comparable {
    /// The address.
    var address: String
    /// The port.
    var port: Int

    static func < (left: ServiceTarget, right: ServiceTarget) -> Bool {
        (left.address, left.port) < (right.address, right.port)
    }
}

/// Which listeners there should be and whom they forward to, as a pure function of Services and endpoint slices.
struct ServiceTable: Sendable, Equatable {
    /// The ready targets of each listener.
    var targets: [ServiceListener: [ServiceTarget]] = [:]

    /// Derives the table; only TCP, and only Services with an address of their own.
    init(services: [KubeObject], slices: [KubeObject]) {
        let byService = Dictionary(grouping: slices) { slice in
            ObjectKey(namespace: slice.namespace, name: slice.labels[EndpointSlicePlan.serviceLabel] ?? "")
        }
        for service in services {
            guard let address = service["spec", "clusterIP"]?.string, address.hasPrefix("127.") else { continue }
            let isNodePort = ["NodePort", "LoadBalancer"].contains(service["spec", "type"]?.string ?? "")
            for port in service["spec", "ports"]?.array ?? [] where port["protocol"]?.string ?? "TCP" == "TCP" {
                guard let number = port["port"]?.int, (1...65_535).contains(number) else { continue }
                let found = Self.targets(in: byService[service.key] ?? [], name: port["name"]?.string ?? "")
                targets[ServiceListener(service: service.key, address: address, port: number)] = found
                if isNodePort, let node = port["nodePort"]?.int, (1...65_535).contains(node) {
                    targets[ServiceListener(service: service.key, address: "127.0.0.1", port: node)] = found
                }
            }
        }
    }

    private static func targets(in slices: [KubeObject], name: String) -> [ServiceTarget] {
        var found: Set<ServiceTarget> = []
        for slice in slices {
            guard
                let port = slice.json["ports"]?.array?.first(where: { $0["name"]?.string ?? "" == name })?["port"]?.int
            else { continue }
            for endpoint in slice.json["endpoints"]?.array ?? []
            where endpoint.at("conditions", "ready")?.bool ?? true {
                for address in endpoint["addresses"]?.array ?? [] {
                    if let address = address.string { found.insert(ServiceTarget(address: address, port: port)) }
                }
            }
        }
        return found.sorted()
    }
}
