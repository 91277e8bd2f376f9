// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Rollouts

/// The routes that a rollout may have written, as `status.rollout.routes` has them: each as `PROVIDER/NAME`.
///
/// A spec may name other routes in mid-rollout. Those that it names no longer keep the share that they have until nothing is to reach the
/// canary any more; then they are brought to rest with all others.
enum WrittenRoutes {
    /// The routes that the spec names now; none for the local proxy's Service, which goes with the model.
    static func named(_ way: RolloutRouting.Way) -> Set<String> {
        guard case .router(let provider) = way else { return [] }
        let names: [String]
        switch provider {
        case let gateway as GatewayTraffic: names = gateway.routes
        case let istio as IstioTraffic: names = istio.virtualServices
        default: names = []
        }
        return Set(names.map { "\(provider.name)/\($0)" })
    }

    /// The routes that may have been written, as status says.
    static func noted(_ model: KubeObject) -> Set<String> {
        Set((model["status", "rollout", "routes"]?.array ?? []).compactMap(\.string))
    }

    /// What status is to say: all that may have been written, until nothing reaches the canary.
    static func toNote(_ observation: ModelObservation, _ routing: Set<String>, isActive: Bool) -> Set<String> {
        let noted = noted(observation.stored)
        if isActive { return observation.traffic == nil ? noted : noted.union(routing) }
        return observation.traffic?.isAttached == true ? noted : []
    }

    /// The providers of routes that are noted and not named any more.
    static func left(_ model: KubeObject, named: Set<String>) -> [any TrafficProvider] {
        noted(model).subtracting(named).sorted().compactMap { route -> (any TrafficProvider)? in
            guard let slash = route.firstIndex(of: "/") else { return nil }
            let name = String(route[route.index(after: slash)...])
            switch route[..<slash] {
            case "GatewayAPI": return GatewayTraffic(routes: [name])
            case "Istio": return IstioTraffic(virtualServices: [name])
            default: return nil
            }
        }
    }
}
