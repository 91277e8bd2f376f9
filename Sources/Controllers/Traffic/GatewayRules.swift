// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Rollouts

/// The rules of one HTTPRoute as a split wants them, from those that are there.
struct GatewayRules: Sendable {
    /// The rules as they are.
    let present: [JSONValue]
    /// The rules as they should be.
    private(set) var rules: [JSONValue] = []
    /// The canary's live share in each rule that leads to the model, in per cent.
    private(set) var shares: [Int] = []
    /// The model's weight in each rule that leads to others' backends too, or 100 where it doesn't.
    private(set) var totals: [Int] = []
    /// Whether a rule has the root Service more than once: then nobody knows afterwards what each of them had.
    private(set) var isAmbiguous = false

    private let split: TrafficSplit
    private let namespace: String

    /// Decides.
    init(_ route: KubeObject, _ split: TrafficSplit, namespace: String) {
        self.split = split
        self.namespace = namespace
        present = route["spec", "rules"]?.array ?? []
        for rule in present {
            let backends = rule["backendRefs"]?.array ?? []
            if !backends.isEmpty, backends.allSatisfy(isCanary) { continue }  // One of ours, made anew below.
            guard let root = backends.first(where: isRoot) else {
                rules.append(withoutCanary(rule))
                continue
            }
            if !split.matches.isEmpty { rules.append(matched(rule, like: root)) }
            rules.append(shared(rule, like: root))
        }
    }

    /// Why an HTTPRoute can't have the rules, by its definition; `nil` where it can.
    var excess: String? {
        // A rule that has no match gets one from the API server.
        let counts = rules.map { max(1, $0["matches"]?.array?.count ?? 0) }
        if rules.count > GatewayTraffic.ruleLimit { return "more than \(GatewayTraffic.ruleLimit) rules" }
        if let most = counts.max(), most > GatewayTraffic.matchLimit {
            return "a rule with more than \(GatewayTraffic.matchLimit) matches"
        }
        let total = counts.reduce(0, +)
        return total > GatewayTraffic.totalMatchLimit
            ? "more than \(GatewayTraffic.totalMatchLimit) matches in all its rules" : nil
    }

    /// A rule with the weights of the split.
    private mutating func shared(_ rule: JSONValue, like root: JSONValue) -> JSONValue {
        let backends = rule["backendRefs"]?.array ?? []
        let rootWeight = backends.filter(isRoot).reduce(0) { $0 + Self.weight($1) }
        let canaryWeight = backends.filter(isCanary).reduce(0) { $0 + Self.weight($1) }
        shares.append(WeightShare.percent(root: rootWeight, canary: canaryWeight))
        guard backends.count(where: isRoot) == 1 else {
            totals.append(100)
            if !split.isAtRest { isAmbiguous = true }
            return withoutCanary(rule)
        }
        let hasOthers = backends.contains { !isRoot($0) && !isCanary($0) }
        totals.append(hasOthers ? rootWeight + canaryWeight : 100)
        let share = WeightShare(total: rootWeight + canaryWeight, percent: split.weight, hasOthers: hasOthers)
        var wanted: [JSONValue] = []
        for var backend in backends where !isCanary(backend) {
            guard isRoot(backend) else {
                wanted.append(backend)
                continue
            }
            if split.weight == 0 {
                // As it is without a rollout. 1 is what the API server writes where nothing is said.
                if canaryWeight > 0 || backends.contains(where: isCanary) {
                    backend["weight"] = JSONValue(hasOthers ? share.root : 1)
                }
                wanted.append(backend)
            } else {
                backend["weight"] = JSONValue(share.root)
                wanted.append(backend)
                backend["name"] = .string(split.canaryService)
                backend["weight"] = JSONValue(share.canary)
                wanted.append(backend)
            }
        }
        var rule = rule
        rule["backendRefs"] = .array(wanted)
        return mirrored(rule, like: root)
    }

    /// A rule of ours before `rule`, for its requests that have one of the split's headers.
    private func matched(_ rule: JSONValue, like root: JSONValue) -> JSONValue {
        var canary = root
        canary["name"] = .string(split.canaryService)
        canary["weight"] = 1
        var ours = withoutCanary(rule)
        ours["name"] = nil
        ours["backendRefs"] = [canary]
        let originals = rule["matches"]?.array ?? []
        ours["matches"] = .array(
            (originals.isEmpty ? [["path": ["type": "PathPrefix", "value": "/"]]] : originals).flatMap { original in
                split.matches.map { match in
                    var original = original
                    original["headers"] = .array((original["headers"]?.array ?? []) + [Self.header(match)])
                    return original
                }
            }
        )
        return ours
    }

    /// A rule whose mirror to the canary is as the split says; other filters are kept.
    private func mirrored(_ rule: JSONValue, like root: JSONValue) -> JSONValue {
        var rule = withoutCanary(rule, keepingBackends: true)
        guard split.mirrorPercent > 0 else { return rule }
        var backend: JSONValue = ["name": .string(split.canaryService)]
        for field in ["group", "kind", "namespace", "port"] { backend[field] = root[field] }
        var mirror: JSONValue = ["backendRef": backend]
        if split.mirrorPercent < 100 { mirror["percent"] = JSONValue(split.mirrorPercent) }
        let filter: JSONValue = ["type": "RequestMirror", "requestMirror": mirror]
        rule["filters"] = .array((rule["filters"]?.array ?? []) + [filter])
        return rule
    }

    /// A rule without mirrors and backends of ours.
    private func withoutCanary(_ rule: JSONValue, keepingBackends: Bool = false) -> JSONValue {
        var rule = rule
        if let filters = rule["filters"]?.array {
            let kept = filters.filter { !($0["requestMirror"]?["backendRef"].map(isCanary) ?? false) }
            if kept.count < filters.count { rule["filters"] = kept.isEmpty ? nil : .array(kept) }
        }
        if !keepingBackends, let backends = rule["backendRefs"]?.array, backends.contains(where: isCanary) {
            rule["backendRefs"] = .array(backends.filter { !isCanary($0) })
        }
        return rule
    }

    private static func header(_ match: TrafficSplit.Match) -> JSONValue {
        HeaderPattern.isCookie(match.header)
            ? [
                "type": "RegularExpression", "name": .string(match.header),
                "value": .string(HeaderPattern.cookie(match.value)),
            ] : ["type": "Exact", "name": .string(match.header), "value": .string(match.value)]
    }

    private static func weight(_ backend: JSONValue) -> Int { WeightShare.weight(backend["weight"]) ?? 1 }

    private func isRoot(_ backend: JSONValue) -> Bool { isService(backend, split.rootService) }

    private func isCanary(_ backend: JSONValue) -> Bool { isService(backend, split.canaryService) }

    private func isService(_ backend: JSONValue, _ name: String) -> Bool {
        backend["name"]?.string == name && backend["kind"]?.string ?? "Service" == "Service"
            && backend["group"]?.string ?? "" == "" && backend["namespace"]?.string ?? namespace == namespace
    }
}
