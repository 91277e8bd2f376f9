// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Rollouts

extension ResourceType {
    /// HTTPRoutes of the Gateway API.
    static let httpRoutes = ResourceType(
        group: "gateway.networking.k8s.io",
        version: "v1",
        kind: "HTTPRoute",
        plural: "httproutes",
        isNamespaced: true
    )
}

/// The Gateway API: weights of the two Services among the backends of HTTPRoutes, rules for header and cookie matches,
/// and mirrors.
///
/// In a route that others wrote, ours are: the weight of each backend that is the root or the canary Service, backends
/// that are the canary Service, rules whose only backend is the canary Service, and mirrors to it. Everything else is
/// kept. The rules are one atomic list for the API server, so they are written whole, guarded by the version that was
/// read.
struct GatewayTraffic: TrafficProvider {
    /// The most rules of an HTTPRoute, by its definition.
    static let ruleLimit = 16
    /// The most matches of a rule, by its definition.
    static let matchLimit = 64
    /// The most matches of all rules of an HTTPRoute together, by its definition.
    static let totalMatchLimit = 128

    let name = "GatewayAPI"
    /// The names of the routes that others wrote.
    var routes: [String]

    func objects(for split: TrafficSplit, namespace: String) -> [TrafficObject] {
        routes.map { TrafficObject(type: .httpRoutes, key: ObjectKey(namespace: namespace, name: $0)) }
    }

    func plan(_ split: TrafficSplit, namespace: String, live: [TrafficObject: KubeObject]) -> TrafficPlan {
        let objects = objects(for: split, namespace: namespace)
        guard !objects.isEmpty else {
            return TrafficPlan(
                problems: [
                    .blocking(
                        "NoRoute",
                        "the traffic provider GatewayAPI needs spec.rollout.traffic.httpRoutes: the HTTPRoutes that lead "
                            + "to the model"
                    )
                ]
            )
        }
        var plan = TrafficPlan()
        if split.stickyHeader != nil {
            plan.problems.append(
                .ineffective(
                    "StickyUnsupported",
                    "HTTPRoutes can't keep a user on one track by a header; sticky has no effect"
                )
            )
        }
        var shares: [Int] = []
        for object in objects {
            guard let route = live[object] else {
                plan.problems.append(
                    .blocking(
                        "RouteMissing",
                        "there is no \(object) in namespace \"\(namespace)\": make it, or correct spec.rollout.traffic.httpRoutes"
                    )
                )
                continue
            }
            var edit = GatewayRules(route, split, namespace: namespace)
            if !split.matches.isEmpty, let excess = edit.excess {
                // The weights go on without them.
                var rest = split
                rest.matches = []
                edit = GatewayRules(route, rest, namespace: namespace)
                plan.problems.append(
                    .ineffective(
                        "RouteFull",
                        "the matches of the rollout have no effect: with them \(object) would have \(excess), beyond its definition; "
                            + "spread its rules over several HTTPRoutes"
                    )
                )
            }
            guard !edit.shares.isEmpty else {
                plan.problems.append(
                    .blocking(
                        "RouteWithoutModel",
                        "no rule of \(object) has the Service \"\(split.rootService)\" as a backend: give one of its rules this "
                            + "backend, or correct spec.rollout.traffic.httpRoutes"
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
            } else if edit.rules != edit.present {
                plan.writes.append(.patch(object, RoutePatch.spec(route, ["rules": .array(edit.rules)])))
            }
        }
        plan.observed = ObservedTraffic(weights: shares)
        return plan
    }
}
