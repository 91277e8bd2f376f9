// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
public import KubeModel
import Scaling

/// A model's scaling in sentences, from its status alone; where the cluster's HPA decides, from that one's status.
public struct ScalingExplanation: Sendable {
    private let model: ModelDeployment
    private let status: JSONValue
    private let autoscaler: KubeObject?
    private let unread: String?

    /// An explanation of `object`, with the HorizontalPodAutoscaler that the operator keeps for it, if there is one.
    /// - Parameter unread: why that couldn't be read; `nil` where it could.
    public init(_ object: KubeObject, autoscaler: KubeObject? = nil, unread: String? = nil) {
        model = ModelDeployment(object)
        status = object["status", "scaling"] ?? .emptyObject
        // One of somebody else that has the name decides nothing here.
        self.autoscaler = autoscaler.flatMap { $0.controller?.uid == object.uid ? $0 : nil }
        self.unread = unread
    }

    /// Whether the cluster's HPA decides for `object`, so that it belongs in the explanation.
    public static func needsAutoscaler(_ object: KubeObject) -> Bool {
        ModelDeployment(object).scaling.engine == .horizontalPodAutoscaler
    }

    /// Policy, last decision with its replay, and the changes before it.
    public var json: JSONValue {
        let key = model.object.key
        var json: JSONValue = [
            "name": .string(key.name), "namespace": .string(key.namespace ?? ""),
            "engine": .string(model.scaling.engine.rawValue), "policy": .string(model.scaling.policy.rawValue),
            "minReplicas": JSONValue(model.scaling.minReplicas), "maxReplicas": JSONValue(model.scaling.maxReplicas),
        ]
        for field in ["desiredReplicas", "unusedReplicas", "coldStartSeconds", "lastDecision", "recentChanges"] {
            json[field] = status[field]
        }
        json["replayedReplicas"] = status["lastDecision"].flatMap(Self.replay).map { JSONValue($0.desired) }
        if let active { json["scalingActive"] = active.json }
        json["horizontalPodAutoscalerUnread"] = unread.map { .string($0) }
        if let autoscaler { json["horizontalPodAutoscaler"] = autoscaler["status"] ?? .emptyObject }
        return json
    }

    /// The decision that a recorded one's inputs lead to; `nil` where they are missing or can't be read.
    static func replay(_ decision: JSONValue) -> ScaleDecision? {
        decision["inputs"].flatMap { ScaleInputs($0) }?.decision()
    }

    private var active: Condition? { ConditionSet(model.object)[ModelDeploymentCondition.scalingActive] }

    /// The sentences.
    public var text: String {
        let scaling = model.scaling
        var lines = [
            "\(model.object.key) is scaled by engine \(scaling.engine.rawValue)"
                + (scaling.engine == .direct ? ", policy \(scaling.policy.rawValue)" : "")
                + ", between \(scaling.minReplicas) and \(scaling.maxReplicas) replicas\(zero)."
        ]
        if let active, !active.isTrue { lines.append("Scaling isn't active (\(active.reason)): \(active.message).") }
        if !model.isHandsOff, let unused = status["unusedReplicas"]?.int {
            lines.append(ModelDeployment.unusedRemark(unused) + ".")
        }
        if let seconds = status["coldStartSeconds"]?.double {
            lines.append("A new replica takes \(Self.number(seconds)) s to get ready.")
        }
        guard let decision = status["lastDecision"] else {
            lines += undecided
            return lines.joined(separator: "\n") + "\n"
        }
        lines += ["", "Last decision, \(decision["time"]?.string ?? "at an unknown time"):"]
        lines += Self.sentences(decision)
        let changes = status["recentChanges"]?.array ?? []
        if !changes.isEmpty {
            lines += ["", "Changes before, the newest first:"]
            lines += changes.map { change in
                "  \(change["time"]?.string ?? ""): \(Self.span(change)), because \(change["message"]?.string ?? "")."
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Who decides instead of the operator, and what it says.
    private var undecided: [String] {
        switch model.scaling.engine {
        case .direct: ["No decision was made yet."]
        case .external: ["The operator leaves the count to somebody else, who sets spec.replicas (subresource scale)."]
        case .horizontalPodAutoscaler:
            AutoscalerExplanation.lines(autoscaler, name: model.object.key.name, unread: unread)
        }
    }

    private var zero: String {
        let usual = model.scaling.targets.allSatisfy { $0.activationValue == 0 }
        let use = usual ? "a request" : "more than activationValue"
        return model.scaling.idleSeconds.map { ", and none after \($0) s without \(use)" } ?? ""
    }

    private static func sentences(_ decision: JSONValue) -> [String] {
        var lines = ["  \(span(decision)): \(decision["message"]?.string ?? "")."]
        let winner = decision["winner"]?.string
        for signal in decision["signals"]?.array ?? [] {
            let name = signal["name"]?.string ?? ""
            let age = signal["ageSeconds"]?.int.map { ", \($0) s old" } ?? ""
            let note = signal["note"]?.string ?? ""
            // A note without an answer says itself what is missing.
            guard let count = signal["proposedReplicas"]?.int else {
                lines.append("  \(note.isEmpty ? "\(name) says nothing" : note).")
                continue
            }
            let won = name == winner ? " and has the largest answer" : ""
            lines.append("  \(name)\(age) asks for \(count)\(won): \(note).")
        }
        for step in decision["steps"]?.array ?? [] {
            let (before, after) = (step["before"]?.int ?? 0, step["after"]?.int ?? 0)
            lines.append(
                "  Then \(step["rule"]?.string ?? "") made \(after) of \(before): \(step["note"]?.string ?? "")."
            )
        }
        if let again = replay(decision) {
            let same = again.desired == decision["toReplicas"]?.int
            lines.append(
                same
                    ? "  Replayed from what it was made from, it gives \(again.desired) again."
                    : "  Replayed by this version, it gives \(again.desired)."
            )
        }
        return lines
    }

    private static func span(_ decision: JSONValue) -> String {
        let (from, to) = (decision["fromReplicas"]?.int ?? 0, decision["toReplicas"]?.int ?? 0)
        if from == to { return from == 1 ? "1 replica stays" : "\(from) replicas stay" }
        return "from \(from) to \(to) replicas"
    }

    /// A number for people: two decimals at most.
    static func number(_ value: Double) -> String {
        let rounded = (value * 100).rounded() / 100
        return Int(exactly: rounded).map(String.init) ?? "\(rounded)"
    }
}
