// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What a schema can't say of `spec.rollout`: members that exclude each other, and fields without an effect.
enum RolloutValidation {
    private static let kinds = ["setWeight", "pause", "analysis", "setReplicas"]

    /// Checks `spec.rollout`.
    static func check(_ rollout: JSONValue, _ findings: inout ValidationFindings) {
        let strategy = rollout["strategy"]?.string ?? "RollingUpdate"
        checkSteps(rollout, strategy, &findings)
        checkEffects(rollout, strategy, &findings)
        checkChecks(rollout.at("analysis", "checks")?.array ?? [], &findings)
        checkTraffic(rollout["traffic"], &findings)
    }

    private static func checkSteps(_ rollout: JSONValue, _ strategy: String, _ findings: inout ValidationFindings) {
        var weight = 0
        for (index, step) in (rollout["steps"]?.array ?? []).enumerated() {
            let field = "spec.rollout.steps[\(index)]"
            let members = kinds.filter { step[$0] != nil }
            guard members.count == 1 else {
                findings.invalid(
                    field,
                    "must have exactly one of \(kinds.joined(separator: ", ")); it has "
                        + (members.isEmpty ? "none" : members.joined(separator: " and "))
                )
                continue
            }
            if strategy == "Shadow", members[0] != "setReplicas" {
                findings.warnings.append("\(field): \(members[0]) has no effect with spec.rollout.strategy Shadow")
            }
            guard let next = step["setWeight"]?.int else { continue }
            if next > 50, strategy == "Canary", rollout.at("traffic", "provider")?.string == "Replicas" {
                findings.warnings.append(
                    "\(field): setWeight \(next) is 50 % with spec.rollout.traffic.provider Replicas, as both tracks have at most as many "
                        + "pods as the load needs; use a router for more"
                )
            }
            if next < weight {
                findings.warnings.append("\(field): setWeight \(next) is less than \(weight) % before it")
            }
            weight = next
        }
    }

    private static func checkEffects(_ rollout: JSONValue, _ strategy: String, _ findings: inout ValidationFindings) {
        func without(_ field: String, _ why: String) {
            findings.warnings.append(
                "spec.rollout.\(field) has no effect with spec.rollout.strategy \(strategy); \(why)"
            )
        }
        if strategy == "RollingUpdate" {
            for field in ["steps", "analysis", "traffic"] where rollout[field]?.isEmptyValue == false {
                without(field, "use Canary")
            }
        }
        if strategy == "BlueGreen", rollout["steps"]?.isEmptyValue == false { without("steps", "use Canary") }
        if strategy != "BlueGreen", rollout["blueGreen"]?.isEmptyValue == false {
            without("blueGreen", "use BlueGreen")
        }
        if strategy != "Canary", rollout["dynamicStableScale"]?.bool == true {
            without("dynamicStableScale", "use Canary")
        }
        let provider = rollout.at("traffic", "provider")?.string ?? "Auto"
        if strategy == "Shadow", provider == "Replicas" {
            findings.invalid(
                "spec.rollout.traffic.provider",
                "Replicas can't send copies of requests, which strategy Shadow needs: use GatewayAPI, Istio or Local"
            )
        }
    }

    private static func checkChecks(_ checks: [JSONValue], _ findings: inout ValidationFindings) {
        for (index, check) in checks.enumerated() {
            let field = "spec.rollout.analysis.checks[\(index)]"
            let members = ["prometheus", "webhook"].filter { check[$0] != nil }
            if members.count != 1 {
                findings.invalid(field, "must have exactly one of prometheus and webhook")
            }
            if let prometheus = check["prometheus"] {
                let (low, high) = (prometheus["min"]?.double, prometheus["max"]?.double)
                if low == nil, high == nil { findings.invalid("\(field).prometheus", "must have min, max or both") }
                if let low, let high, low > high {
                    findings.invalid("\(field).prometheus", "min (\(low)) must not be greater than max (\(high))")
                }
            }
        }
    }

    private static func checkTraffic(_ traffic: JSONValue?, _ findings: inout ValidationFindings) {
        guard let traffic else { return }
        let provider = traffic["provider"]?.string ?? "Auto"
        let needs = ["GatewayAPI": "httpRoutes", "Istio": "virtualServices"]
        for (name, field) in needs.sorted(by: { $0.key < $1.key }) where traffic[field]?.isEmptyValue == false {
            if provider != name, provider != "Auto" {
                findings.warnings.append(
                    "spec.rollout.traffic.\(field) has no effect with spec.rollout.traffic.provider \(provider); use \(name)"
                )
            }
        }
        if provider == "Auto", traffic["httpRoutes"]?.isEmptyValue == false,
            traffic["virtualServices"]?.isEmptyValue == false
        {
            findings.warnings.append(
                "spec.rollout.traffic.virtualServices has no effect beside httpRoutes with spec.rollout.traffic.provider Auto"
            )
        }
        if provider == "Replicas" {
            for field in ["sticky", "matches"] where traffic[field]?.isEmptyValue == false {
                findings.warnings.append(
                    "spec.rollout.traffic.\(field) has no effect with spec.rollout.traffic.provider Replicas, which has no router"
                )
            }
        }
    }
}

extension JSONValue {
    /// Whether it is an empty list or object, or null.
    fileprivate var isEmptyValue: Bool {
        if let items = array { return items.isEmpty }
        if let members = object { return members.isEmpty }
        return self == .null
    }
}
