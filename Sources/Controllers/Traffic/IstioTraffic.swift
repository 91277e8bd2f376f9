// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Rollouts

extension ResourceType {
    /// VirtualServices of Istio.
    static let virtualServices = istio("VirtualService", "virtualservices")
    /// DestinationRules of Istio.
    static let destinationRules = istio("DestinationRule", "destinationrules")

    private static func istio(_ kind: String, _ plural: String) -> ResourceType {
        ResourceType(group: "networking.istio.io", version: "v1", kind: kind, plural: plural, isNamespaced: true)
    }
}

/// Istio: weights of the two Services among the destinations of VirtualServices, routes for header and cookie matches,
/// and mirrors.
///
/// Ours are: the weight of each destination whose host is the root or the canary Service, destinations whose host is
/// the canary Service, HTTP routes whose only destination is that, and mirrors to it. A DestinationRule of our own for
/// the canary Service has one subset, by the canary's revision label: while the canary Service moves from one canary to
/// the next, no weight reaches the old one. Everything else is kept.
struct IstioTraffic: TrafficProvider {
    /// The subset of the canary Service's DestinationRule.
    static let subset = "canary"

    let name = "Istio"
    /// The names of the VirtualServices.
    var virtualServices: [String]
    /// The canary's revision as its pods' label has it; `nil` for no DestinationRule.
    var canaryRevision: String?
    /// The owner of the DestinationRule: the model.
    var owner: OwnerReference?

    func objects(for split: TrafficSplit, namespace: String) -> [TrafficObject] {
        virtualServices.map { Self.object(.virtualServices, namespace, $0) }
            + (virtualServices.isEmpty ? [] : [Self.object(.destinationRules, namespace, split.canaryService)])
    }

    func plan(_ split: TrafficSplit, namespace: String, live: [TrafficObject: KubeObject]) -> TrafficPlan {
        guard !virtualServices.isEmpty else {
            return TrafficPlan(
                problems: [
                    .blocking(
                        "NoRoute",
                        "the traffic provider Istio needs spec.rollout.traffic.virtualServices: the VirtualServices that "
                            + "lead to the model"
                    )
                ]
            )
        }
        var plan = TrafficPlan()
        if split.stickyHeader != nil {
            plan.problems.append(
                .ineffective(
                    "StickyUnsupported",
                    "VirtualServices can't keep a user on one track; sticky has no effect"
                )
            )
        }
        var shares: [Int] = []
        var patches: [TrafficPlan.Write] = []
        for name in virtualServices {
            let object = Self.object(.virtualServices, namespace, name)
            guard let virtual = live[object] else {
                plan.problems.append(
                    .blocking(
                        "RouteMissing",
                        "there is no \(object) in namespace \"\(namespace)\": make it, or correct "
                            + "spec.rollout.traffic.virtualServices"
                    )
                )
                continue
            }
            let edit = IstioRoutes(
                virtual,
                split,
                namespace: namespace,
                subset: canaryRevision.map { _ in Self.subset }
            )
            guard !edit.shares.isEmpty else {
                plan.problems.append(
                    .blocking(
                        "RouteWithoutModel",
                        "no HTTP route of \(object) has the host \"\(split.rootService)\": give one of them this destination, or "
                            + "correct spec.rollout.traffic.virtualServices"
                    )
                )
                continue
            }
            shares += edit.shares
            if let problem = WeightShare.problem(totals: edit.totals, percent: split.weight, in: object) {
                plan.problems.append(problem)
            }
            if edit.isAmbiguous {
                plan.problems.append(WeightShare.ambiguity(object, root: split.rootService))
            } else if edit.routes != edit.present {
                patches.append(.patch(object, RoutePatch.spec(virtual, ["http": .array(edit.routes)])))
            }
        }
        plan.observed = ObservedTraffic(weights: shares)
        if let problem = foreignRule(split, namespace, live: live) {
            plan.problems.append(problem)
            return plan
        }
        // The subset is there before a route names it, and goes after the last one that does.
        let rule = destinationRule(split, namespace, live: live)
        plan.writes = split.isAtRest ? patches + rule : rule + patches
        if split.isAtRest, !patches.isEmpty { plan.writes = patches }
        return plan
    }

    /// Why the DestinationRule can't be the operator's, where somebody else has one of its name.
    private func foreignRule(
        _ split: TrafficSplit,
        _ namespace: String,
        live: [TrafficObject: KubeObject]
    ) -> TrafficProblem? {
        let object = Self.object(.destinationRules, namespace, split.canaryService)
        guard let present = live[object], present.label(FleetAPI.managedByLabel) != FleetAPI.manager,
            !destinationRule(split, namespace, live: live).isEmpty
        else { return nil }
        return .blocking(
            "DestinationRuleTaken",
            "\(object) isn't the operator's, which needs one of that name for the canary Service: give yours another name, or delete it"
        )
    }

    private func destinationRule(
        _ split: TrafficSplit,
        _ namespace: String,
        live: [TrafficObject: KubeObject]
    ) -> [TrafficPlan.Write] {
        let object = Self.object(.destinationRules, namespace, split.canaryService)
        let present = live[object]
        guard let canaryRevision, !split.isAtRest else {
            guard let present, let uid = present.uid, present.label(FleetAPI.managedByLabel) == FleetAPI.manager else {
                return []
            }
            return [.delete(object, uid: uid)]
        }
        let spec: JSONValue = [
            "host": .string(split.canaryService),
            "subsets": [
                ["name": .string(Self.subset), "labels": [FleetAPI.revisionLabel: .string(canaryRevision)]]
            ],
        ]
        if let present, present["spec", "host"] == spec["host"], present["spec", "subsets"] == spec["subsets"] {
            return []
        }
        var body = KubeObject(.destinationRules, namespace: namespace, name: split.canaryService)
        body.labels = [FleetAPI.managedByLabel: FleetAPI.manager, FleetAPI.modelLabel: split.rootService]
        if let owner { body.ownerReferences = [owner] }
        body["spec"] = spec
        return [.apply(object, body)]
    }

    private static func object(_ type: ResourceType, _ namespace: String, _ name: String) -> TrafficObject {
        TrafficObject(type: type, key: ObjectKey(namespace: namespace, name: name))
    }
}
