// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Scaling
import Synchronization

/// What an autoscaler's `spec` asks for.
struct AutoscalerSpec: Sendable, Hashable {
    /// The fewest replicas; 1 where nothing is said.
    var minReplicas: Int
    /// The most replicas.
    var maxReplicas: Int
    /// `spec.metrics`.
    var metrics: [JSONValue]
    /// The rules for more replicas; `nil` together with `down` without `behavior`.
    var up: ScalingRules?
    /// The rules for fewer replicas.
    var down: ScalingRules?

    /// Reads an autoscaler.
    init(_ autoscaler: KubeObject) {
        minReplicas = autoscaler["spec", "minReplicas"]?.int ?? 1
        maxReplicas = max(autoscaler["spec", "maxReplicas"]?.int ?? 1, minReplicas)
        metrics = autoscaler["spec", "metrics"]?.array ?? []
        if let behavior = autoscaler["spec", "behavior"], behavior.object != nil {
            up = Self.rules(behavior["scaleUp"], .defaultUp)
            down = Self.rules(behavior["scaleDown"], .defaultDown)
        }
    }

    /// The replica formulas with this autoscaler's tolerances.
    var calculator: HPAReplicaCalculator {
        HPAReplicaCalculator(toleranceUp: up?.tolerance ?? 0.1, toleranceDown: down?.tolerance ?? 0.1)
    }

    /// What to do with recommendations, without any memory.
    var behavior: HPABehavior {
        guard let up, let down else { return HPABehavior() }
        return HPABehavior(up: up, down: down)
    }

    private static func rules(_ json: JSONValue?, _ fallback: ScalingRules) -> ScalingRules {
        guard let json, json.object != nil else { return fallback }
        var rules = fallback
        if let seconds = json["stabilizationWindowSeconds"]?.int { rules.stabilizationWindowSeconds = seconds }
        if let select = json["selectPolicy"]?.string.flatMap(ScalingRules.Select.init) { rules.select = select }
        if let tolerance = Quantity(json["tolerance"])?.double { rules.tolerance = tolerance }
        if let policies = json["policies"]?.array, !policies.isEmpty {
            rules.limits = policies.compactMap { policy in
                guard let value = policy["value"]?.int, let period = policy["periodSeconds"]?.int else { return nil }
                let kind: ScalingLimit.Kind = policy["type"] == "Pods" ? .pods : .percent
                return ScalingLimit(kind: kind, value: value, periodSeconds: period)
            }
        }
        return rules
    }
}

/// What the controller remembers of each autoscaler: its recommendations, its changes, its pods. It starts anew with the
/// object; rules that change are applied to what was recommended and done before.
final class AutoscalerMemory: Sendable {
    private struct Entry {
        var uid: String
        var behavior: HPABehavior
        var selector: LabelSelector?
    }

    private let entries = Mutex<[ObjectKey: Entry]>([:])

    /// What is remembered of an autoscaler.
    func behavior(_ key: ObjectKey, uid: String, spec: AutoscalerSpec) -> HPABehavior {
        entries.withLock { entries in
            if let entry = entries[key], entry.uid == uid { return spec.behavior.remembering(entry.behavior) }
            entries[key] = Entry(uid: uid, behavior: spec.behavior)
            return spec.behavior
        }
    }

    /// Remembers what was recommended and done.
    func keep(_ autoscaler: KubeObject, _ behavior: HPABehavior) {
        entries.withLock { $0[autoscaler.key]?.behavior = behavior }
    }

    /// Remembers which pods an autoscaler scales.
    func keep(_ autoscaler: KubeObject, selector: LabelSelector) {
        entries.withLock { $0[autoscaler.key]?.selector = selector }
    }

    /// The autoscalers of any of these pods, as far as each has told its own.
    func autoscalers(selecting pods: [KubeObject]) -> [ObjectKey] {
        entries.withLock { entries in
            entries.compactMap { key, entry in
                let isOf = pods.contains { key.namespace == $0.namespace && entry.selector?.matches($0.labels) == true }
                return isOf ? key : nil
            }
        }
    }

    /// Forgets an autoscaler that is gone.
    func forget(_ key: ObjectKey) { entries.withLock { $0[key] = nil } }
}
