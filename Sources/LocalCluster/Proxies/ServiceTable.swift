// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel

/// Where a listener of a Service listens.
struct ServiceListener: Sendable, Hashable, Comparable {
    /// The Service.
    var service: ObjectKey
    /// The address.
    var address: String
    /// The port.
    var port: Int

    /// What stands for a port below 1024 where that can't be had: 8000 more, so 80 is 8080 and 443 is 8443; `nil` for
    /// ports that need no root.
    var unprivilegedPort: Int? { port < 1024 ? port + 8000 : nil }

    static func < (left: ServiceListener, right: ServiceListener) -> Bool {
        (left.service, left.address, left.port) < (right.service, right.address, right.port)
    }
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
    /// What else is known of each listener.
    var routes: [ServiceListener: ServiceRoute] = [:]
    /// What is wrong with the annotations of Services, for a person.
    var problems: [ObjectKey: String] = [:]
    /// The Services whose connections are held while no target is ready.
    var holding: Set<ObjectKey> = []

    /// Derives the table; only TCP, and only Services with an address of their own.
    init(services: [KubeObject], slices: [KubeObject]) {
        let byService = Dictionary(grouping: slices) { slice in
            ObjectKey(namespace: slice.namespace, name: slice.labels[EndpointSlicePlan.serviceLabel] ?? "")
        }
        for service in services {
            guard let address = service["spec", "clusterIP"]?.string, address.hasPrefix("127.") else { continue }
            if service.annotation(FleetAPI.holdsRequestsAnnotation) == "true" { holding.insert(service.key) }
            let rule = rule(of: service)
            let isNodePort = ["NodePort", "LoadBalancer"].contains(service["spec", "type"]?.string ?? "")
            for port in service["spec", "ports"]?.array ?? [] where port["protocol"]?.string ?? "TCP" == "TCP" {
                guard let number = port["port"]?.int, (1...65_535).contains(number) else { continue }
                let found = Self.targets(in: byService[service.key] ?? [], name: port["name"]?.string ?? "")
                var route = ServiceRoute(speaksHTTP: Self.speaksHTTP(port, hasRule: rule != nil), rule: rule)
                for name in rule?.services ?? [] {
                    let other = ObjectKey(namespace: service.namespace, name: name)
                    route.others[name] = Self.targets(in: byService[other] ?? [], name: port["name"]?.string ?? "")
                }
                var listeners = [ServiceListener(service: service.key, address: address, port: number)]
                if isNodePort, let node = port["nodePort"]?.int, (1...65_535).contains(node) {
                    listeners.append(ServiceListener(service: service.key, address: "127.0.0.1", port: node))
                }
                for listener in listeners {
                    targets[listener] = found
                    routes[listener] = route
                }
            }
        }
    }

    /// Tells the router of a listener what it has to know.
    func refresh(_ router: TrafficRouter, of listener: ServiceListener) {
        router.update(targets[listener] ?? [], routes[listener] ?? ServiceRoute())
    }

    /// The Services with somebody who answers.
    var served: Set<ObjectKey> {
        Set(targets.filter { routes[$0.key]?.isServed(own: $0.value) ?? !$0.value.isEmpty }.keys.map(\.service))
    }

    /// The targets of all listeners.
    var allTargets: Set<ServiceTarget> {
        routes.values.reduce(into: Set(targets.values.joined())) { $0.formUnion($1.others.values.joined()) }
    }

    /// The rule in a Service's annotation; one that can't be read counts as none and is a problem.
    private mutating func rule(of service: KubeObject) -> TrafficRule? {
        guard let text = service.annotation(FleetAPI.trafficAnnotation) else { return nil }
        do {
            return try TrafficRule(annotation: text)
        } catch {
            problems[service.key] = "the annotation \(FleetAPI.trafficAnnotation) \(error)"
            return nil
        }
    }

    /// Whether a port's clients are expected to speak HTTP/1: its `appProtocol` says so, or where it has none its name
    /// (`http`, or
    /// `http-…`, as Istio reads names), or a rule that only HTTP can be routed by.
    private static func speaksHTTP(_ port: JSONValue, hasRule: Bool) -> Bool {
        if let named = port["appProtocol"]?.string { return ["http", "kubernetes.io/ws"].contains(named.lowercased()) }
        let name = port["name"]?.string ?? ""
        return hasRule || name == "http" || name.hasPrefix("http-")
    }

    /// The ready endpoints; where there is none, those that still serve while they end (KEP-1669, as kube-proxy).
    private static func targets(in slices: [KubeObject], name: String) -> [ServiceTarget] {
        var ready: Set<ServiceTarget> = []
        var leaving: Set<ServiceTarget> = []
        for slice in slices {
            guard
                let port = slice.json["ports"]?.array?.first(where: { $0["name"]?.string ?? "" == name })?["port"]?.int
            else { continue }
            for endpoint in slice.json["endpoints"]?.array ?? [] {
                let conditions = endpoint["conditions"]
                let isReady = conditions?["ready"]?.bool ?? true
                let isLeaving = conditions?["serving"]?.bool ?? false && conditions?["terminating"]?.bool ?? false
                for case .string(let address) in endpoint["addresses"]?.array ?? [] {
                    let target = ServiceTarget(address: address, port: port)
                    if isReady { ready.insert(target) } else if isLeaving { leaving.insert(target) }
                }
            }
        }
        return (ready.isEmpty ? leaving : ready).sorted()
    }
}
