// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import Foundation
import KubeModel
import Rollouts
import Testing
import YAML

@testable import Controllers

@Suite("What traffic providers write")
struct TrafficRenderingTests {
    private func split(_ weight: Int, mirror: Int = 0, matches: [TrafficSplit.Match] = []) -> TrafficSplit {
        TrafficSplit(
            rootService: "churn",
            canaryService: "churn-canary",
            weight: weight,
            matches: matches,
            mirrorPercent: mirror
        )
    }

    private func httpRoute(_ rules: JSONValue) throws -> (KubeObject, TrafficObject) {
        var route = KubeObject(.httpRoutes, namespace: "shop", name: "web")
        route.json["metadata"]?["resourceVersion"] = "7"
        route["spec"] = ["parentRefs": [["name": "edge"]], "rules": rules]
        return (route, TrafficObject(type: .httpRoutes, key: route.key))
    }

    private func plan(_ split: TrafficSplit, _ rules: JSONValue) throws -> TrafficPlan {
        let (route, object) = try httpRoute(rules)
        return GatewayTraffic(routes: ["web"]).plan(split, namespace: "shop", live: [object: route])
    }

    private func rules(_ plan: TrafficPlan) -> JSONValue? {
        guard case .patch(_, let patch)? = plan.writes.first else { return nil }
        return patch.value(at: ["spec", "rules"])
    }

    @Test("Weights are shared in whole numbers, without touching others'")
    func shares() {
        let rows: [(total: Int, percent: Int, others: Bool, root: Int, canary: Int)] = [
            (1, 10, false, 90, 10), (1, 0, false, 100, 0), (7, 100, false, 0, 100), (50, 10, true, 45, 5),
            (10, 25, true, 7, 3), (10, 1, true, 9, 1), (10, 99, true, 1, 9), (1, 10, true, 1, 0), (1, 50, true, 1, 0),
            (1, 99, true, 1, 0), (1, 100, true, 0, 1), (2, 10, true, 1, 1), (0, 50, true, 0, 0),
        ]
        for row in rows {
            let share = WeightShare(total: row.total, percent: row.percent, hasOthers: row.others)
            #expect(share.root == row.root && share.canary == row.canary, "\(row)")
        }
        #expect(WeightShare.percent(root: 90, canary: 10) == 10)
        #expect(WeightShare.percent(root: 999, canary: 1) == 1)
        #expect(WeightShare.percent(root: 0, canary: 0) == 0)
        #expect(WeightShare.percent(root: 0, canary: 3) == 100)
    }

    @Test("a route whose weights can't express the share says so, and the canary gets nothing by it")
    func coarse() throws {
        func rule(_ weight: Int) -> JSONValue {
            ["backendRefs": [["name": "other", "weight": 1], ["name": "churn", "weight": JSONValue(weight)]]]
        }
        let one = try plan(split(50), [rule(1)])
        #expect(one.problems.map(\.reason) == ["RouteTooCoarse"] && !one.isInPlace)
        #expect(one.problems.first?.message.contains("a weight of 1 beside other backends") == true)
        #expect(rules(one)?[0]?["backendRefs"]?.array?.map { $0["weight"] } == [1, 1, 0])
        #expect(try plan(split(100), [rule(1)]).problems.isEmpty)
        #expect(try plan(split(10), [rule(2)]).problems.isEmpty)
        #expect(try plan(split(10), [rule(0)]).problems.map(\.reason) == ["RouteTooCoarse"])
        #expect(try plan(split(10), [rule(0), rule(90)]).problems.isEmpty, "a rule that leads nobody to the model")
        var virtual = KubeObject(.virtualServices, namespace: "shop", name: "web")
        let ways: JSONValue = [
            ["destination": ["host": "other"], "weight": 1], ["destination": ["host": "churn"], "weight": 1],
        ]
        virtual["spec"] = ["http": [["route": ways]]]
        let object = TrafficObject(type: .virtualServices, key: virtual.key)
        let istio = IstioTraffic(virtualServices: ["web"]).plan(split(10), namespace: "shop", live: [object: virtual])
        #expect(istio.problems.map(\.reason) == ["RouteTooCoarse"])
    }

    @Test("matches that don't fit stop no weight: it is written without them, and that is said")
    func fullRoute() throws {
        func rule(_ matches: Int) -> JSONValue {
            let match: JSONValue = ["path": ["type": "Exact", "value": "/x"]]
            return ["matches": .array(Array(repeating: match, count: matches)), "backendRefs": [["name": "churn"]]]
        }
        let beta = [TrafficSplit.Match(header: "x-beta", value: "1"), .init(header: "x-test", value: "1")]
        func reasons(_ counts: [Int], _ matches: [TrafficSplit.Match]) throws -> [String] {
            let full = try plan(split(10, matches: matches), .array(counts.map(rule)))
            #expect(full.problems.allSatisfy { !$0.blocks })
            let written = rules(full)?.array ?? []
            #expect(written.count == (full.problems.isEmpty ? 2 : 1) * counts.count, "\(counts)")
            #expect(written.last?["backendRefs"]?.array?.map { $0["weight"] } == [90, 10])
            return full.problems.map(\.message)
        }
        #expect(try reasons([32], beta).isEmpty)
        #expect(try reasons([33], beta).first?.contains("a rule with more than 64 matches") == true)
        #expect(try reasons([32, 32], [beta[0]]).isEmpty, "128 in all")
        #expect(try reasons([32, 33], [beta[0]]).first?.contains("more than 128 matches in all its rules") == true)
        #expect(try reasons(Array(repeating: 1, count: 9), [beta[0]]).first?.contains("more than 16 rules") == true)
    }

    @Test("a route that names the root Service twice is left alone, and at rest gives up nothing but the canary")
    func twice() throws {
        let (one, two): (JSONValue, JSONValue) = (
            ["name": "churn", "port": 80, "weight": 30], ["name": "churn", "port": 81, "weight": 20]
        )
        let held = try plan(split(10), [["backendRefs": [one, two]]])
        #expect(held.problems.map(\.reason) == ["RouteAmbiguous"] && held.writes.isEmpty && !held.isInPlace)
        let rest = try plan(split(0), [["backendRefs": [one, two]]])
        #expect(rest.isInPlace && rest.problems.isEmpty)
        let canary: JSONValue = ["name": "churn-canary", "port": 80, "weight": 50]
        let back = try plan(split(0), [["backendRefs": [one, canary, two]]])
        #expect(rules(back) == [["backendRefs": [one, two]]] && back.observed == ObservedTraffic(weight: 50))

        var virtual = KubeObject(.virtualServices, namespace: "shop", name: "web")
        let object = TrafficObject(type: .virtualServices, key: virtual.key)
        let ways = [("churn", "a", 60), ("churn-canary", "c", 10), ("churn", "b", 30)].map { host, subset, weight in
            ["destination": ["host": .string(host), "subset": .string(subset)], "weight": JSONValue(weight)]
                as JSONValue
        }
        virtual["spec"] = ["http": [["route": .array(ways)]]]
        let istio = IstioTraffic(virtualServices: ["web"])
        let still = istio.plan(split(10), namespace: "shop", live: [object: virtual])
        #expect(still.problems.map(\.reason) == ["RouteAmbiguous"] && still.writes.isEmpty)
        let end = istio.plan(split(0), namespace: "shop", live: [object: virtual])
        guard case .patch(_, let patch)? = end.writes.first else {
            Issue.record("the canary stays")
            return
        }
        #expect(patch.value(at: ["spec", "http"]) == [["route": [ways[0], ways[2]]]])
    }

    @Test("somebody else's DestinationRule is left alone, and that is said")
    func foreignRule() {
        var virtual = KubeObject(.virtualServices, namespace: "shop", name: "web")
        virtual["spec"] = ["http": [["route": [["destination": ["host": "churn"]]]]]]
        var rule = KubeObject(.destinationRules, namespace: "shop", name: "churn-canary")
        rule["spec"] = ["host": "churn-canary", "trafficPolicy": ["tls": ["mode": "DISABLE"]]]
        let live = [virtual, rule].map { object in
            let type: ResourceType = object.name == "web" ? .virtualServices : .destinationRules
            return (TrafficObject(type: type, key: object.key), object)
        }
        func plan(_ split: TrafficSplit) -> TrafficPlan {
            IstioTraffic(virtualServices: ["web"], canaryRevision: "2")
                .plan(split, namespace: "shop", live: Dictionary(uniqueKeysWithValues: live))
        }
        #expect(plan(split(10)).problems.map(\.reason) == ["DestinationRuleTaken"] && plan(split(10)).writes.isEmpty)
        #expect(plan(split(0)).isInPlace)
    }

    @Test("a weight beyond all that a route may say is no trap")
    func hugeWeight() throws {
        let backends: JSONValue = [
            ["name": "other"], ["name": "churn", "weight": .integer(.max)],
            ["name": "churn-canary", "weight": .integer(.max)],
        ]
        let huge = try plan(split(10), [["backendRefs": backends]])
        #expect(huge.observed == ObservedTraffic(weight: 50))
    }

    @Test("An HTTPRoute gets both weights and nothing else; others' rules, filters and backends stay")
    func gatewayWeights() throws {
        let theirs: JSONValue = [
            "matches": [["path": ["type": "Exact", "value": "/x"]]], "backendRefs": [["name": "x", "port": 1]],
        ]
        let filter: JSONValue = ["type": "RequestHeaderModifier", "requestHeaderModifier": ["remove": ["a"]]]
        let before: JSONValue = [
            theirs,
            [
                "name": "main", "filters": [filter], "timeouts": ["request": "5s"],
                "backendRefs": [["name": "churn", "port": 80, "weight": 1, "filters": [filter]]],
            ],
            [
                "backendRefs": [
                    ["name": "other", "port": 1, "weight": 50], ["name": "churn", "port": 80, "weight": 50],
                ]
            ],
        ]
        let up = try plan(split(10), before)
        #expect(up.observed == ObservedTraffic(weight: 0))
        let after: JSONValue = [
            theirs,
            [
                "name": "main", "filters": [filter], "timeouts": ["request": "5s"],
                "backendRefs": [
                    ["name": "churn", "port": 80, "weight": 90, "filters": [filter]],
                    ["name": "churn-canary", "port": 80, "weight": 10, "filters": [filter]],
                ],
            ],
            [
                "backendRefs": [
                    ["name": "other", "port": 1, "weight": 50], ["name": "churn", "port": 80, "weight": 45],
                    ["name": "churn-canary", "port": 80, "weight": 5],
                ]
            ],
        ]
        #expect(rules(up) == after)
        guard case .patch(_, let patch)? = up.writes.first else { return }
        #expect(patch.value(at: ["metadata", "resourceVersion"]) == "7")
        #expect(patch["spec"]?.object?.keys == ["rules"])
        let same = try plan(split(10), after)
        #expect(same.writes.isEmpty && same.isInPlace && same.observed == ObservedTraffic(weight: 10))
        #expect(rules(try plan(split(0), after)) == before)
    }

    @Test("Headers and cookies get a rule before each of the model's, and mirrors a filter")
    func gatewayMatches() throws {
        let before: JSONValue = [
            [
                "matches": [["path": ["type": "PathPrefix", "value": "/v1"]], ["method": "GET"]],
                "backendRefs": [["name": "churn", "port": 80, "weight": 1]],
            ]
        ]
        let wanted = split(
            0,
            mirror: 20,
            matches: [.init(header: "x-beta", value: "1"), .init(header: "cookie", value: "a.b=1")]
        )
        let plan = try plan(wanted, before)
        let after = try #require(rules(plan))
        #expect(after.array?.count == 2)
        #expect(after[0]?["backendRefs"] == [["name": "churn-canary", "port": 80, "weight": 1]])
        #expect(after[0]?["matches"]?.array?.count == 4)
        let header: JSONValue = ["type": "Exact", "name": "x-beta", "value": "1"]
        #expect(after[0]?["matches"]?[0] == ["path": ["type": "PathPrefix", "value": "/v1"], "headers": [header]])
        let cookie = try #require(after[0]?["matches"]?[3]?["headers"]?[0]?["value"]?.string)
        let pattern = try Regex(cookie)
        #expect(try pattern.wholeMatch(in: "x=y; a.b=1; c=d") != nil)
        #expect(try pattern.wholeMatch(in: "axb=1") == nil)
        #expect(try pattern.wholeMatch(in: "a.b=12") == nil)
        let mirror: JSONValue = [
            "type": "RequestMirror",
            "requestMirror": ["backendRef": ["name": "churn-canary", "port": 80], "percent": 20],
        ]
        #expect(after[1]?["filters"] == [mirror])
        #expect(try self.plan(wanted, after).writes.isEmpty)
        #expect(rules(try self.plan(split(0), after)) == before)
    }

    @Test("A VirtualService gets both weights and nothing else, its routes for headers come first")
    func istio() throws {
        let theirs: JSONValue = ["match": [["uri": ["prefix": "/x"]]], "route": [["destination": ["host": "x"]]]]
        let before: JSONValue = [
            theirs,
            [
                "name": "main", "timeout": "5s",
                "route": [["destination": ["host": "churn.shop.svc.cluster.local", "port": ["number": 80]]]],
            ],
        ]
        var service = KubeObject(.virtualServices, namespace: "shop", name: "web")
        service["spec"] = ["hosts": ["churn"], "http": before]
        let object = TrafficObject(type: .virtualServices, key: service.key)
        let provider = IstioTraffic(virtualServices: ["web"], canaryRevision: "3")
        let wanted = split(25, mirror: 100, matches: [.init(header: "x-beta", value: "1")])
        let plan = provider.plan(wanted, namespace: "shop", live: [object: service])
        #expect(plan.writes.count == 2)
        guard case .apply(_, let rule)? = plan.writes.first, case .patch(_, let patch)? = plan.writes.last else {
            Issue.record("no DestinationRule before the route: \(plan.writes)")
            return
        }
        #expect(rule["spec", "subsets"]?[0]?["labels"] == [FleetAPI.revisionLabel: "3"])
        let routes = try #require(patch.value(at: ["spec", "http"]))
        let canary: JSONValue = [
            "host": "churn-canary.shop.svc.cluster.local", "port": ["number": 80], "subset": "canary",
        ]
        #expect(routes[0] == theirs)
        #expect(routes[1]?["match"] == [["headers": ["x-beta": ["exact": "1"]]]])
        #expect(routes[1]?["route"] == [["destination": canary]])
        #expect(routes[2]?["route"]?.array?.map { $0["weight"] } == [75, 25])
        #expect(routes[2]?["route"]?[1]?["destination"] == canary)
        #expect(routes[2]?["mirrors"] == [["destination": canary, "percentage": ["value": 100]]])
        #expect(routes[2]?["timeout"] == "5s")
        service["spec"]?["http"] = routes
        var present = rule
        present.json["metadata"]?["uid"] = "u"
        let ruleObject = TrafficObject(type: .destinationRules, key: present.key)
        let live = [object: service, ruleObject: present]
        let same = provider.plan(wanted, namespace: "shop", live: live)
        #expect(same.isInPlace && same.observed == ObservedTraffic(weight: 25))
        let rest = provider.plan(split(0), namespace: "shop", live: live)
        guard case .patch(_, let last)? = rest.writes.first else {
            Issue.record("the route isn't put back")
            return
        }
        #expect(rest.writes.count == 1 && last.value(at: ["spec", "http"]) == before)
        service["spec"]?["http"] = before
        let end = provider.plan(split(0), namespace: "shop", live: [object: service, ruleObject: present])
        #expect(end.writes == [.delete(ruleObject, uid: "u")])
    }

    @Test("A route that isn't there, or doesn't lead to the model, is said")
    func missing() throws {
        let gateway = GatewayTraffic(routes: ["web"])
        let missing = gateway.plan(split(10), namespace: "shop", live: [:]).problems
        #expect(missing.map(\.reason) == ["RouteMissing"])
        #expect(missing.first?.message.contains("correct spec.rollout.traffic.httpRoutes") == true)
        #expect(try plan(split(10), [["backendRefs": [["name": "x"]]]]).problems.map(\.reason) == ["RouteWithoutModel"])
        #expect(
            GatewayTraffic(routes: []).plan(split(10), namespace: "shop", live: [:]).problems.map(\.reason) == [
                "NoRoute"
            ]
        )
        let full = JSONValue.array(Array(repeating: ["backendRefs": [["name": "churn"]]], count: 9))
        let crowded = try plan(split(0, matches: [.init(header: "a", value: "b")]), full)
        #expect(crowded.problems.map(\.reason) == ["RouteFull"] && crowded.writes.isEmpty && crowded.isInPlace)
        #expect(
            IstioTraffic(virtualServices: ["web"]).plan(split(10), namespace: "shop", live: [:]).problems.map(\.reason)
                == ["RouteMissing"]
        )
    }

    @Test("Where replicas are the weights, status says the real one")
    func replicas() {
        #expect(ReplicaTraffic.selector(for: 0, model: "m", stable: "1", canary: "2")[FleetAPI.revisionLabel] == "1")
        #expect(ReplicaTraffic.selector(for: 100, model: "m", stable: "1", canary: "2")[FleetAPI.revisionLabel] == "2")
        let both = ReplicaTraffic.selector(for: 10, model: "m", stable: "1", canary: "2")
        #expect(both == [FleetAPI.modelLabel: "m"])
        func achieved(_ stable: Int, _ canary: Int) -> Int? {
            ReplicaTraffic.achieved(selector: both, canary: "2", readyStable: stable, readyCanary: canary)?.lowest
        }
        #expect(achieved(3, 1) == 25)
        #expect(achieved(0, 1) == 100)
        #expect(achieved(2, 0) == 0)
        #expect(achieved(0, 0) == nil)
        #expect(ReplicaTraffic.problems(of: split(10)).isEmpty)
        #expect(ReplicaTraffic.problems(of: split(10, mirror: 1)).map(\.reason) == ["RouterNeeded"])
    }
}
