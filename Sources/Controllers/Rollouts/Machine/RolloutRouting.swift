// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeAPI
import KubeModel
import Rollouts

/// How the requests of a model are shared, and what is known of it.
struct RolloutRouting: Sendable {
    /// Who shares them.
    enum Way: Sendable {
        /// The root Service selects the pods of both tracks.
        case pods
        /// A provider of weights.
        case router(any TrafficProvider)
    }

    /// The cluster.
    let client: KubeClient
    /// Whether the cluster's Service proxies follow `modelfleet.dev/traffic`.
    let hasLocalProxy: Bool

    /// Who shares the requests of a model.
    func way(_ model: ModelDeployment, canary: Int?) -> Way {
        let traffic = model.rolloutSpec["traffic"]
        let routes = (traffic?["httpRoutes"]?.array ?? []).compactMap(\.string)
        let services = (traffic?["virtualServices"]?.array ?? []).compactMap(\.string)
        let owner = OwnerReference(controller: model.object)
        let gateway = GatewayTraffic(routes: routes)
        let istio = IstioTraffic(virtualServices: services, canaryRevision: canary.map { "\($0)" }, owner: owner)
        switch traffic?["provider"]?.string ?? "Auto" {
        case "Local": return .router(LocalTraffic())
        case "GatewayAPI": return .router(gateway)
        case "Istio": return .router(istio)
        case "Replicas": return .pods
        default:
            if !routes.isEmpty { return .router(gateway) }
            if !services.isEmpty { return .router(istio) }
            return hasLocalProxy ? .router(LocalTraffic()) : .pods
        }
    }

    /// The split that a state asks for.
    static func split(_ state: RolloutState?, of model: ModelDeployment) -> TrafficSplit {
        let traffic = model.rolloutSpec["traffic"]
        let matches = (traffic?["matches"]?.array ?? []).compactMap { match -> TrafficSplit.Match? in
            guard let header = match["header"]?.string, let value = match["value"]?.string else { return nil }
            return TrafficSplit.Match(header: header.lowercased(), value: value)
        }
        return TrafficSplit(
            rootService: model.object.name,
            canaryService: Self.canaryService(model.object.name),
            weight: state?.desiredWeight ?? 0,
            stickyHeader: traffic?.at("sticky", "header")?.string.map { $0.lowercased() },
            matches: state?.sendsMatches == true ? matches : [],
            mirrorPercent: state?.mirrorPercent ?? 0
        )
    }

    /// The name of the Service that selects the canary.
    static func canaryService(_ model: String) -> String { "\(model)-canary" }

    /// Brings about what `state` asks for, and says where the traffic goes; without a router nothing is sent.
    /// - Parameters:
    ///   - root: the root Service as it is known.
    ///   - canary: the canary Service as it is known.
    ///   - ready: the ready replicas of stable and canary.
    func bring(
        _ state: RolloutState?,
        of model: ModelDeployment,
        root: KubeObject?,
        canary: KubeObject?,
        ready: (stable: Int, canary: Int)
    ) async throws -> TrafficObservation {
        var traffic = TrafficObservation(rootRevision: Self.selected(root), canaryRevision: Self.selected(canary))
        let number = state?.canaryRevision
        switch way(model, canary: number) {
        case .pods:
            let isShared = root?["spec", "selector", FleetAPI.modelLabel] != nil && traffic.rootRevision == nil
            let problems = ReplicaTraffic.problems(of: Self.split(state, of: model))
            traffic.note(state?.mirrorPercent ?? 0 > 0 ? problems.first : nil)
            guard isShared else {
                traffic.achieved = 0
                return traffic
            }
            traffic.isAttached = true
            traffic.weight = max(1, state?.desiredWeight ?? 0)
            traffic.achieved = WeightShare.percent(root: ready.stable, canary: ready.canary)
        case .router(let provider):
            let split = Self.split(state, of: model)
            let outcome = try await TrafficSwitch(client: client)
                .bring(split, by: provider, namespace: model.object.namespace ?? "default")
            traffic.note(outcome.problems.first(where: \.blocks))
            let ineffective = Set(outcome.problems.filter { !$0.blocks }.map(\.message)).sorted()
            traffic.remark = ineffective.isEmpty ? nil : ineffective.joined(separator: "; ")
            let isDown = outcome.observed == nil && outcome.problems.contains(where: \.blocks)
            traffic.weight = isDown ? nil : outcome.observed?.highest ?? 0
            if outcome.isInPlace, let seen = outcome.observed, seen.highest > 0 || split.weight == 0 {
                traffic.nearest = split.weight
            }
            traffic.isAttached = (traffic.weight ?? 0) > 0 || !split.isAtRest || !outcome.isInPlace && !isDown
            if isDown {
                // What never had a share has nothing to lose; of one that had, nothing is known.
                let wasRouted = state?.wasRouted ?? false
                traffic.weight = wasRouted ? nil : 0
                traffic.isAttached = wasRouted
            }
            traffic.achieved = outcome.observed?.lowest
        }
        try await bringLeftRoutes(state, of: model, into: &traffic)
        return traffic
    }

    /// Brings the routes to rest that the spec named before, once nothing is to reach the canary; until they are, something may.
    private func bringLeftRoutes(
        _ state: RolloutState?,
        of model: ModelDeployment,
        into traffic: inout TrafficObservation
    ) async throws {
        let rest = Self.split(state, of: model)
        guard rest.isAtRest else { return }
        let named = WrittenRoutes.named(way(model, canary: nil))
        for provider in WrittenRoutes.left(model.object, named: named) {
            let outcome = try await TrafficSwitch(client: client)
                .bring(rest, by: provider, namespace: model.object.namespace ?? "default")
            // A route that is gone, or leads elsewhere, is at rest.
            guard !outcome.isInPlace, let observed = outcome.observed, observed.highest > 0 else { continue }
            traffic.weight = max(traffic.weight ?? 0, observed.highest)
            traffic.isAttached = true
        }
    }

    /// Brings the routes of a model to rest that was never rolled out: one of the same name may have been deleted in the midst of a rollout.
    func bringToRest(_ model: ModelDeployment) async throws {
        let way = way(model, canary: nil)
        guard case .router(let provider) = way, !WrittenRoutes.named(way).isEmpty else { return }
        _ = try await TrafficSwitch(client: client)
            .bring(Self.split(nil, of: model), by: provider, namespace: model.object.namespace ?? "default")
    }

    /// Where the traffic goes, all of it read afresh.
    func look(_ state: RolloutState?, of model: ModelDeployment) async throws -> TrafficObservation {
        let key = model.object.key
        let name = ObjectKey(namespace: key.namespace, name: Self.canaryService(key.name))
        let uid = model.object.uid
        let root = try await client.find(.services, key).flatMap { $0.controller?.uid == uid ? $0 : nil }
        let canary = try await client.find(.services, name).flatMap { $0.controller?.uid == uid ? $0 : nil }
        return try await bring(state, of: model, root: root, canary: canary, ready: (0, 0))
    }

    /// The revision that a Service selects.
    static func selected(_ service: KubeObject?) -> Int? {
        service?["spec", "selector", FleetAPI.revisionLabel]?.string.flatMap(ModelObservation.revisionNumber)
    }
}

extension TrafficObservation {
    /// Keeps what is in the way of the routes.
    fileprivate mutating func note(_ obstacle: TrafficProblem?) {
        problem = obstacle?.message
        problemReason = obstacle?.reason
    }
}
