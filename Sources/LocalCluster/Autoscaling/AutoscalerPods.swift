// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel
import KubeRuntime

extension AutoscalerReconciler {
    /// The pods that the target's selector names, where they are this autoscaler's alone; `nil` where they aren't, or there
    /// is no selector, which the turn and events then say (`validateAndParseSelector`).
    func pods(_ turn: inout AutoscalerTurn, of target: ScaleTarget) async -> [KubeObject]? {
        guard let text = target.selector, !text.isEmpty else {
            turn.condition("ScalingActive", .isFalse, "InvalidSelector", "the HPA target's scale is missing a selector")
            await refuse(turn.autoscaler, "SelectorRequired", "selector is required")
            return nil
        }
        let selector: LabelSelector
        do { selector = try LabelSelector(parsing: text) } catch {
            let message = "couldn't convert selector into a corresponding internal selector object: \(error)"
            turn.condition("ScalingActive", .isFalse, "InvalidSelector", message)
            await refuse(turn.autoscaler, "InvalidSelector", message)
            return nil
        }
        memory.keep(turn.autoscaler, selector: selector)
        let pods: [KubeObject]
        do {
            let options = ListOptions(labelSelector: selector)
            pods = try await client.list(.pods, namespace: target.key.namespace, options: options).items
        } catch {
            await refuse(turn.autoscaler, nil, "unable to get pods while calculating replica count: \(error.message)")
            return nil
        }
        let autoscalers = memory.autoscalers(selecting: pods)
        guard autoscalers.count <= 1 else {
            let names = autoscalers.map { "\($0.namespace ?? "")/\($0.name)" }.sorted().joined(separator: " ")
            let message = "pods by selector \(text) are controlled by multiple HPAs: [\(names)]"
            turn.condition("ScalingActive", .isFalse, "AmbiguousSelector", message)
            await refuse(turn.autoscaler, "AmbiguousSelector", message)
            return nil
        }
        return pods
    }

    private func refuse(_ autoscaler: KubeObject, _ reason: String?, _ message: String) async {
        if let reason { await events.record(autoscaler, .warning, reason: reason, message: message) }
        await events.record(autoscaler, .warning, reason: "FailedComputeMetricsReplicas", message: message)
    }
}
