// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
import FleetAPI
public import KubeModel

/// A model's rollout for a person, from its object and its pods alone.
public struct RolloutReport: Sendable {
    /// How a rollout ended.
    public enum End: Sendable, Hashable {
        /// The revision of the spec serves.
        case settled
        /// It was given up.
        case rolledBack
    }

    /// The model.
    let model: KubeObject
    /// Its pods by revision, in the order of their names.
    let pods: [Int: [KubeObject]]
    /// The time now.
    let now: WallTime

    /// A report.
    public init(_ model: KubeObject, pods: [KubeObject] = [], now: WallTime) {
        self.model = model
        self.now = now
        self.pods = Dictionary(grouping: pods.sorted { $0.name < $1.name }, by: ModelObservation.revision)
    }

    /// `status.rollout`.
    var rollout: JSONValue? { model["status", "rollout"] }
    /// What the rollout is doing; `Settled` for a model that was never changed.
    var phase: String { rollout?["phase"]?.string ?? "Settled" }
    /// The step, from 0.
    var step: Int { max(0, rollout?["stepIndex"]?.int ?? 0) }
    /// How many steps there are before the promotion.
    var stepCount: Int { min(max(0, rollout?["stepCount"]?.int ?? 0), 1000) }

    /// Whether a canary is under way.
    public var isActive: Bool { phase != "Settled" && phase != "RolledBack" }

    /// Whether the operator has seen the spec that the model has now.
    var isObserved: Bool {
        guard let generation = model.generation else { return true }
        return (model["status", "observedGeneration"]?.integer ?? 0) >= generation
    }

    /// How the rollout of the spec as it is now ended; `nil` while it is under way, or the operator hasn't seen it yet.
    public var end: End? {
        guard isObserved else { return nil }
        switch phase {
        case "RolledBack", "Failed": return .rolledBack
        case "Settled":
            // A new spec that waits for a person to go on has not ended.
            if isHeld { return nil }
            let conditions = ConditionSet(model)
            if conditions[ModelDeploymentCondition.rolloutHealthy]?.status == .isFalse { return .rolledBack }
            // What was wanted before has just been promoted, and the spec's own revision comes next, or waits for a person.
            let progress = conditions[ModelDeploymentCondition.progressing]?.reason
            if progress == StatusBuilder.newRevision || progress == StatusBuilder.paused { return nil }
            // A model that is new has a revision that nothing serves yet.
            return conditions.isTrue(ModelDeploymentCondition.ready) ? .settled : nil
        default: return nil
        }
    }

    /// The phase in the words of a report: a new spec that waits, for the operator or for a person to go on, isn't settled.
    var shownPhase: String { !isObserved ? "Waiting" : phase == "Settled" && isHeld ? "Paused" : phase }

    /// One sentence on where it is.
    public var sentence: String {
        guard isObserved else { return "the operator has not seen this spec yet" }
        let message = rollout?["message"]?.string ?? ""
        if !message.isEmpty { return message }
        guard let stable = model["status", "stable"], let revision = stable["revision"]?.int else {
            return "nothing serves yet"
        }
        if isActive { return phase }
        let isServing = stable["readyReplicas"]?.int ?? 0 > 0 || stable["replicas"]?.int == 0
        return isServing
            ? "revision \(revision) serves all requests"
            : "revision \(revision) serves nobody yet: none of its \(stable["replicas"]?.int ?? 0) replicas is ready"
    }

    /// What changes when there is something new to say of the rollout on an output that only grows.
    public var milestone: [String] {
        let tracks = ["stable", "canary"].flatMap { name -> [String] in
            let track = model["status", name]
            return ["revision", "weight", "readyReplicas", "replicas"].map { "\(track?[$0]?.int ?? -1)" }
        }
        let verdict = rollout?.at("judgement", "verdict")?.string ?? ""
        return [phase, "\(step)", verdict, isObserved ? "" : "old"] + tracks
    }

    /// The report as one line, for outputs that only grow.
    public var line: String {
        var text = shownPhase
        if isActive {
            // The sentence mostly begins with the step itself.
            let place = "step \(min(step + 1, stepCount)) of \(stepCount)"
            if stepCount > 0, !sentence.hasPrefix(place) { text += ", \(place)" }
            if let canary = model["status", "canary"] {
                text += ", \(Self.track(canary))"
            }
        }
        return StyledLine("\(text): \(sentence)").plain
    }

    /// `revision 4 (v4) has 10 % of the requests, 1/1 ready`.
    private static func track(_ track: JSONValue) -> String {
        let version = track["version"]?.string.map { $0.isEmpty ? "" : " (\($0))" } ?? ""
        return "revision \(track["revision"]?.int ?? 0)\(version) has \(track["weight"]?.int ?? 0) % of the requests, "
            + "\(track["readyReplicas"]?.int ?? 0)/\(track["replicas"]?.int ?? 0) ready"
    }

    // MARK: History

    /// The history as lines of a table, the newest first; what is under way stands above it.
    public var historyLines: [StyledLine] {
        var rows = [["REVISION", "VERSION", "OUTCOME", "ENDED", "TOOK", "REASON"]]
        let serving = model["status", "stable", "revision"]?.int
        if isActive, let canary = rollout?["canaryRevision"]?.int {
            let started = rollout?["startedAt"]?.string.flatMap(WallTime.init(rfc3339:))
            rows.append([
                "\(canary)", rollout?["canaryVersion"]?.string ?? model["status", "canary", "version"]?.string ?? "",
                phase, "–", started.map { StyledLine.span(seconds: (now - $0).inSeconds) } ?? "–", sentence,
            ])
        }
        for entry in model["status", "history"]?.array ?? [] {
            let revision = entry["revision"]?.int ?? 0
            let (started, ended) = (entry["startedAt"]?.string, entry["endedAt"]?.string)
            let end = ended.flatMap(WallTime.init(rfc3339:))
            let start = started.flatMap(WallTime.init(rfc3339:))
            let took = end.flatMap { end in start.map { StyledLine.span(seconds: (end - $0).inSeconds) } }
            rows.append([
                "\(revision)" + (revision == serving ? " *" : ""), entry["version"]?.string ?? "",
                entry["outcome"]?.string ?? "",
                end.map { StyledLine.span(seconds: (now - $0).inSeconds) + " ago" } ?? "–",
                took ?? "–", entry["reason"]?.string ?? "",
            ])
        }
        guard rows.count > 1 else {
            return [StyledLine("\(model.name) has no history yet: \(sentence)")]
        }
        return StyledLine.table(rows)
    }

    // MARK: JSON

    /// The report as JSON: what status says, without the judge's memory.
    public var json: JSONValue {
        var shown = rollout ?? .emptyObject
        shown["judge"] = nil
        var json: JSONValue = [
            "name": .string(model.name), "namespace": .string(model.namespace ?? ""), "phase": .string(phase),
            "isObserved": .bool(isObserved), "message": .string(sentence), "rollout": shown,
            "history": model["status", "history"] ?? .array([]),
        ]
        for track in ["stable", "canary"] { json[track] = model["status", track] }
        json["pods"] = .array(
            pods.sorted { $0.key < $1.key }.flatMap { revision, pods in
                pods.map { pod in
                    [
                        "name": .string(pod.name), "revision": JSONValue(revision),
                        "ready": .bool(PodDiagnosis.isReady(pod)),
                        "message": .string(PodDiagnosis.failure(pod)?.message ?? ""),
                    ]
                }
            }
        )
        return json
    }
}
