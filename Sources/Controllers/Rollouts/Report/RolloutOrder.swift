// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
public import KubeAPI
public import KubeModel
import Rollouts

/// Why an order makes no sense for a rollout as it is: what, why, what next.
public struct RolloutRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// One line.
    public var description: String
}

/// What a person asks of a rollout, as a change of the ModelDeployment. Pure: the caller sends it.
public struct RolloutOrder: Sendable, Hashable {
    /// The annotation that the operator acts on once.
    public static let annotation = FleetAPI.rolloutRequestAnnotation

    /// The change.
    public var patch: PatchBody
    /// What was asked, one line for a person.
    public var message: String

    /// The next step, whatever the present one waits for; with `isFull` the promotion at once.
    /// - Parameter nonce: what makes this request differ from all others.
    /// - Throws: when nothing is under way that could be promoted.
    public static func promote(_ model: KubeObject, isFull: Bool, nonce: String) throws(RolloutRefusal) -> RolloutOrder
    {
        // A way back that can't be ended is left forwards.
        let (rollout, canary) = try active(model, to: "promote", evenRollingBack: isFull)
        let step = rollout["stepIndex"]?.int ?? 0
        let count = rollout["stepCount"]?.int ?? 0
        // The promotion is what comes after the last step, also of one that is held or doesn't get on.
        if phase(model) == "Promoting" || phase(model) != "RollingBack" && step >= count {
            let next =
                isPaused(model)
                ? "it goes on with `modelfleet rollout resume" : "watch it with `modelfleet rollout status"
            throw RolloutRefusal(
                description: "\(model.name): revision \(canary) is being promoted already; \(next) \(model.name)"
                    + (isPaused(model) ? "`" : " -w`")
            )
        }
        let what =
            isFull
            ? "to all requests, without the steps that are left" : "past step \(min(step + 1, count)) of \(count)"
        return request(
            isFull ? "promote-full" : "promote",
            canary,
            step,
            nonce,
            "\(model.name): asked to promote revision \(canary) \(what)" + wait(model, "it gets no further before")
        )
    }

    /// The canary is given up.
    /// - Throws: when nothing is under way that could be aborted.
    public static func abort(_ model: KubeObject, nonce: String) throws(RolloutRefusal) -> RolloutOrder {
        let (rollout, canary) = try active(model, to: "abort")
        return request(
            "abort",
            canary,
            rollout["stepIndex"]?.int ?? 0,
            nonce,
            "\(model.name): asked to give revision \(canary) up; the traffic returns to revision "
                + "\(rollout["stableRevision"]?.int ?? 0)"
        )
    }

    /// A revision that was given up is tried again.
    /// - Throws: when none was.
    public static func retry(_ model: KubeObject, nonce: String) throws(RolloutRefusal) -> RolloutOrder {
        let rollout = model["status", "rollout"]
        let phase = rollout?["phase"]?.string ?? "Settled"
        guard phase == "RolledBack" || phase == "RollingBack", let canary = rollout?["canaryRevision"]?.int else {
            throw RolloutRefusal(
                description:
                    "\(model.name): no revision was rolled back that could be tried again (phase \(phase)); see "
                    + "`modelfleet rollout history \(model.name)`"
            )
        }
        return request(
            "retry",
            canary,
            rollout?["stepIndex"]?.int ?? 0,
            nonce,
            "\(model.name): asked to try revision \(canary) again"
                + (phase == "RollingBack" ? ", once its way back has ended" : "") + wait(model, "it waits for")
        )
    }

    /// The rollout stays where it is; the judge watches on.
    public static func pause(_ model: KubeObject) -> RolloutOrder {
        let canary = model["status", "rollout", "canaryRevision"]?.int ?? 0
        let what = isPaused(model) ? "is paused already" : "is paused"
        let rest =
            switch phase(model) {
            case "Settled", "RolledBack": "none is under way, and a new spec will wait"
            case "RollingBack": "revision \(canary) is being rolled back all the same"
            default:
                ModelDeployment(model).rolloutPlan.judges
                    ? "the judge goes on watching the canary" : "revision \(canary) takes nothing over meanwhile"
            }
        return held(model, true, "the rollout \(what); \(rest)")
    }

    /// A rollout that a person holds goes on.
    /// - Throws: when nobody holds one.
    public static func resume(_ model: KubeObject) throws(RolloutRefusal) -> RolloutOrder {
        let canary = model["status", "rollout", "canaryRevision"]?.int ?? 0
        let phase = phase(model)
        let isActive = phase != "Settled" && phase != "RolledBack"
        guard isPaused(model) else {
            let next =
                phase == "Paused"
                ? "its step waits, for its time or for `modelfleet rollout promote \(model.name)`"
                : isActive
                    ? "revision \(canary) is under way (phase \(phase))"
                    : "no rollout is under way"
            throw RolloutRefusal(
                description: "\(model.name): there is nothing to resume, spec.rollout.paused isn't true: \(next)"
            )
        }
        let what =
            if phase == "RollingBack" {
                "isn't paused any more; revision \(canary) is being rolled back all the same"
            } else if isActive {
                "goes on"
            } else if RolloutReport.isHeld(model) {
                "goes on: the new spec is rolled out"
            } else if isRetryOpen(model) {
                "goes on: revision \(canary) is tried again"
            } else {
                "isn't paused any more; none is under way that could go on"
            }
        return held(model, false, "the rollout \(what)")
    }

    private static func held(_ model: KubeObject, _ paused: Bool, _ message: String) -> RolloutOrder {
        RolloutOrder(
            patch: .merge(["spec": ["rollout": ["paused": .bool(paused)]]]),
            message: "\(model.name): \(message)"
        )
    }

    private static func phase(_ model: KubeObject) -> String {
        model["status", "rollout", "phase"]?.string ?? "Settled"
    }

    private static func isPaused(_ model: KubeObject) -> Bool { model["spec", "rollout", "paused"]?.bool ?? false }

    /// Whether a person asked to retry what was given up, and the operator hasn't done it yet.
    private static func isRetryOpen(_ model: KubeObject) -> Bool {
        guard let request = model.annotation(annotation).flatMap({ RolloutRequest($0) }), request.action == .retry
        else {
            return false
        }
        let rollout = model["status", "rollout"]
        return request.revision == rollout?["canaryRevision"]?.int && request.text != rollout?["handledRequest"]?.string
    }

    /// What is to be known of an order that is done only once the rollout isn't paused any more; empty where it isn't.
    fileprivate static func wait(_ model: KubeObject, _ what: String) -> String {
        isPaused(model) ? "; \(what) `modelfleet rollout resume \(model.name)`, since spec.rollout.paused is true" : ""
    }

    private static func active(
        _ model: KubeObject,
        to verb: String,
        evenRollingBack: Bool = false
    ) throws(RolloutRefusal) -> (rollout: JSONValue, canary: Int) {
        let rollout = model["status", "rollout"]
        let phase = rollout?["phase"]?.string ?? "Settled"
        guard let rollout, phase != "Settled", phase != "RolledBack", let canary = rollout["canaryRevision"]?.int else {
            let next =
                phase == "RolledBack"
                ? "the last one was rolled back; try it again with `modelfleet rollout retry \(model.name)`"
                : RolloutReport.isHeld(model)
                    ? "the new spec waits for `modelfleet rollout resume \(model.name)`"
                    : "change its spec to start one"
            throw RolloutRefusal(description: "\(model.name): no rollout is under way to \(verb): \(next)")
        }
        if phase == "RollingBack", !evenRollingBack {
            throw RolloutRefusal(
                description: "\(model.name): revision \(canary) is being rolled back already; try it again later with "
                    + "`modelfleet rollout retry \(model.name)`"
            )
        }
        return (rollout, canary)
    }

    private static func request(_ action: String, _ revision: Int, _ step: Int, _ nonce: String, _ message: String)
        -> RolloutOrder
    {
        let text = "\(action) \(revision)/\(step) \(nonce)"
        return RolloutOrder(
            patch: .merge(["metadata": ["annotations": [annotation: .string(text)]]]),
            message: message
        )
    }
}

/// Going back to an earlier revision: its spec is written into the model again, and rolled out like any other change.
public enum RolloutUndo {
    /// The ControllerRevisions that keep the specs of revisions.
    public static let resourceType = ResourceType(
        group: "apps",
        version: "v1",
        kind: "ControllerRevision",
        plural: "controllerrevisions",
        isNamespaced: true
    )
    /// What of a spec makes a revision.
    static let fields = ["model", "runtime", "resources", "template"]

    /// The order that goes back.
    ///
    /// Without a number: to the stable revision while a rollout is under way; otherwise to the last one before the stable revision that
    /// was promoted, or is kept and wasn't given up.
    /// - Parameters:
    ///   - revisions: the model's ControllerRevisions.
    ///   - number: the revision to go back to.
    /// - Throws: when there is no such revision, or it is what the model has.
    public static func order(
        _ model: KubeObject,
        revisions: [KubeObject],
        to number: Int?
    ) throws(RolloutRefusal) -> RolloutOrder {
        let kept = specs(of: model, in: revisions)
        let known = kept.keys.sorted().map(String.init).joined(separator: ", ")
        guard let target = number ?? usual(model, kept: Set(kept.keys)) else {
            throw RolloutRefusal(
                description:
                    "\(model.name): there is no earlier revision to go back to; kept are: \(known.isEmpty ? "none" : known)"
            )
        }
        guard let spec = kept[target] else {
            throw RolloutRefusal(
                description:
                    "\(model.name): revision \(target) isn't kept; kept are: \(known.isEmpty ? "none" : known) "
                    + "(spec.rollout.revisionHistoryLimit)"
            )
        }
        var operations: [JSONValue] = []
        for field in fields {
            let (now, then) = (model["spec", field], spec[field])
            guard now != then else { continue }
            let path = JSONValue.string("/spec/\(field)")
            if let then, then != .null {
                operations.append(["op": "add", "path": path, "value": then])
            } else if now != nil {
                operations.append(["op": "remove", "path": path])
            }
        }
        guard !operations.isEmpty else {
            throw RolloutRefusal(description: "\(model.name) has the spec of revision \(target) already")
        }
        // Nobody else's change in between is undone by the way.
        if let version = model.resourceVersion {
            operations.insert(
                ["op": "test", "path": "/metadata/resourceVersion", "value": .string(version)],
                at: 0
            )
        }
        var message = "\(model.name): back to the spec of revision \(target)"
        let last = (model["status", "history"]?.array ?? []).first { $0["revision"]?.int == target }
        if last?["outcome"]?.string == "RolledBack" {
            message += "; it was rolled back before, so it also needs `modelfleet rollout retry \(model.name)`"
        }
        // The stable spec ends a rollout at once, paused or not.
        let stable = model["status", "rollout", "stableRevision"]?.int ?? model["status", "stable", "revision"]?.int
        if target != stable { message += RolloutOrder.wait(model, "it waits for") }
        return RolloutOrder(patch: .json(operations), message: message)
    }

    /// The specs that are kept, by revision.
    private static func specs(of model: KubeObject, in revisions: [KubeObject]) -> [Int: JSONValue] {
        var specs: [Int: JSONValue] = [:]
        for revision in revisions where revision.controller?.uid == model.uid {
            guard let number = revision["revision"]?.int ?? revision.label(FleetAPI.revisionLabel).flatMap({ Int($0) }),
                let spec = revision["data", "spec"], spec.object != nil
            else { continue }
            specs[number] = spec
        }
        return specs
    }

    private static func usual(_ model: KubeObject, kept: Set<Int>) -> Int? {
        let rollout = model["status", "rollout"]
        let phase = rollout?["phase"]?.string ?? "Settled"
        let stable = rollout?["stableRevision"]?.int ?? model["status", "stable", "revision"]?.int
        // A canary under way, one that waits to be, or one that was given up and is still the spec.
        if phase != "Settled" || RolloutReport.isHeld(model) { return stable }
        guard let stable else { return nil }
        let history = model["status", "history"]?.array ?? []
        let promoted = history.filter { $0["outcome"]?.string == "Promoted" }.compactMap { $0["revision"]?.int }
        if let last = promoted.first(where: { $0 != stable && kept.contains($0) }) { return last }
        let failed = Set(history.filter { $0["outcome"]?.string != "Promoted" }.compactMap { $0["revision"]?.int })
        return kept.filter { $0 < stable && !failed.contains($0) }.max()
    }
}
