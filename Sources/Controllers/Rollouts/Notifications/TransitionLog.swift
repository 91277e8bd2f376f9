// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// Tells from two statuses what happened in between, and keeps it in the later one.
///
/// It is written with the very state that it is about: no crash can lose one of the two. What is to be told of it follows from
/// status alone, `transitions` with a number above `notified`.
///
/// | before | after | event |
/// | --- | --- | --- |
/// | | a history entry more, or a rollout that ended and isn't kept | Promoted, RolledBack, Aborted, Superseded, as the entry's outcome says |
/// | no canary, or another, or started at another time | a canary under way | Started |
/// | the same | phase RolledBack: it was given up before, and isn't tried again | Failed |
/// | the same canary | another step, phase Progressing, Paused or Analyzing | StepStarted |
/// | the same canary | phase Paused, Promoting, RollingBack, Failed now; Paused at another step | that |
/// | the same canary and step, phase Paused | phase Progressing or Analyzing | Resumed |
enum TransitionLog {
    /// How many are kept, the newest last.
    static let limit = 20

    /// Adds what happened since `previous` to `status`, and the number up to which everybody was told.
    /// - Parameters:
    ///   - previous: the status that is stored.
    ///   - status: the one that will be; its `rollout` gets `transitions` and `notified`.
    ///   - ended: the rollouts that end with it, as entries of its history, which may be too short for them.
    ///   - hasTargets: whether anybody wants to be told.
    ///   - delivered: the number up to which this process told everybody; `nil` where it doesn't know.
    static func record(
        previous: JSONValue?,
        in status: inout JSONValue,
        ended: [JSONValue] = [],
        hasTargets: Bool,
        delivered: Int?,
        now: WallTime
    ) {
        let rollout = previous?["rollout"]
        let known = (rollout?["transitions"]?.array ?? []).compactMap(RolloutTransition.init)
        let last = max(known.last?.number ?? 0, rollout?["notified"]?.int ?? 0)
        let news = happened(from: previous, to: status, ended: ended, after: last, now: now)
        // Who is there from the second one on isn't told the first.
        var notified = rollout?["notified"]?.int ?? last
        if let delivered { notified = min(max(notified, delivered), last) }
        if !hasTargets { notified = news.last?.number ?? last }
        let all = Array((known + news).suffix(limit))
        guard !all.isEmpty else { return }
        if status["rollout"] == nil { status["rollout"] = .emptyObject }
        status.set(.array(all.map(\.json)), at: "rollout", "transitions")
        status.set(JSONValue(notified), at: "rollout", "notified")
    }

    /// What happened between two statuses, in order, numbered after `last`.
    static func happened(
        from previous: JSONValue?,
        to status: JSONValue,
        ended: [JSONValue] = [],
        after last: Int,
        now: WallTime
    ) -> [RolloutTransition] {
        var news: [RolloutTransition] = []
        func add(
            _ event: RolloutTransition.Event,
            _ revision: Int,
            version: String?,
            _ message: String,
            _ rollout: JSONValue?
        ) {
            news.append(
                RolloutTransition(
                    number: last + news.count + 1,
                    event,
                    revision: revision,
                    version: version,
                    stableRevision: rollout?["stableRevision"]?.int,
                    step: rollout?["stepIndex"]?.int,
                    weight: rollout?["desiredWeight"]?.int,
                    message: message,
                    time: now
                )
            )
        }
        let known = Set((previous?["history"]?.array ?? []).map(HistoryEntry.init))
        let kept = (status["history"]?.array ?? []).map(HistoryEntry.init).reversed()
        let unkept = ended.map(HistoryEntry.init).filter { !kept.contains($0) }
        for entry in unkept + kept where !known.contains(entry) {
            guard let event = RolloutTransition.Event(rawValue: entry.outcome) else { continue }
            add(
                event,
                entry.revision,
                version: entry.version,
                entry.reason,
                event == .promoted ? nil : previous?["rollout"]
            )
        }
        guard let after = status["rollout"], let canary = after["canaryRevision"]?.int else { return news }
        let before = previous?["rollout"]
        let version = status.at("canary", "version")?.string ?? after["canaryVersion"]?.string
        let message = after["message"]?.string ?? ""
        let phase = after["phase"]?.string ?? ""
        let isSame = before?["canaryRevision"]?.int == canary && before?["startedAt"] == after["startedAt"]
        // The canary of a rollout that has ended stays named.
        guard phase != "Settled", phase != "RolledBack" else {
            if !isSame, phase == "RolledBack" { add(.failed, canary, version: version, message, after) }
            return news
        }
        let isNewPhase = !isSame || before?["phase"]?.string != phase
        let isInStep = phase == "Progressing" || phase == "Paused" || phase == "Analyzing"
        let isNewStep = before?["stepIndex"]?.int != after["stepIndex"]?.int
        if !isSame {
            add(.started, canary, version: version, message, after)
        } else if isInStep, isNewStep {
            add(.stepStarted, canary, version: version, message, after)
        } else if isInStep, isNewPhase, phase != "Paused", before?["phase"]?.string == "Paused" {
            add(.resumed, canary, version: version, message, after)
        }
        let told: [RolloutTransition.Event] = [.paused, .promoting, .rollingBack, .failed]
        // One pause after another is another one: whoever waits for this event has to know which one asks for a person.
        if isNewPhase || phase == "Paused" && isNewStep, let event = told.first(where: { $0.rawValue == phase }) {
            add(event, canary, version: version, message, after)
        }
        return news
    }
}

/// What makes two entries of `status.history` the same.
private struct HistoryEntry: Hashable {
    var revision: Int
    var version: String?
    var outcome: String
    var reason: String
    var startedAt: String?
    var endedAt: String?

    init(_ json: JSONValue) {
        revision = json["revision"]?.int ?? 0
        version = json["version"]?.string
        outcome = json["outcome"]?.string ?? ""
        reason = json["reason"]?.string ?? ""
        startedAt = json["startedAt"]?.string
        endedAt = json["endedAt"]?.string
    }
}
