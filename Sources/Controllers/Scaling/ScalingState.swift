// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Scaling
import Synchronization
import Telemetry

/// A scaling decision as status shows it.
struct ScaleRecord: Sendable, Hashable {
    /// When it was made.
    let time: WallTime
    /// The decision.
    let decision: ScaleDecision
    /// The revision that it is about.
    let revision: Int
    /// Waiting requests per replica; `nil` when missing.
    let queue: Double?
    /// The latency that 95 % of the requests keep below, in milliseconds; `nil` without a request.
    let p95: Double?

    /// `status.scaling`
    var json: JSONValue {
        let signals = decision.proposals.map { proposal -> JSONValue in
            var json: JSONValue = [
                "name": .string(proposal.source), "value": .string(proposal.value.map(Self.text) ?? ""),
                "target": .string(Self.text(proposal.target)), "note": .string(proposal.note),
            ]
            json["ageSeconds"] = proposal.age.map { JSONValue(Int($0.inSeconds)) }
            json["proposedReplicas"] = proposal.replicas.map { JSONValue($0) }
            return json
        }
        let steps = decision.steps.map { step -> JSONValue in
            [
                "rule": .string(step.rule), "before": JSONValue(step.before), "after": JSONValue(step.after),
                "note": .string(step.note),
            ]
        }
        var json: JSONValue = [
            "desiredReplicas": JSONValue(decision.desired),
            "lastDecision": [
                "time": .string(time.rfc3339), "reason": .string(decision.reason.code),
                "message": .string(decision.reason.message), "fromReplicas": JSONValue(decision.current),
                "toReplicas": JSONValue(decision.desired), "signals": .array(signals), "steps": .array(steps),
            ],
        ]
        json["queue"] = queue.map { .string(Self.text($0)) }
        json["p95"] = p95.map { .string(Self.text($0.rounded() > 10 ? $0.rounded() : $0) + "ms") }
        return json
    }

    /// Whether the two say the same to a reader, but for the time.
    func isSame(as other: ScaleRecord) -> Bool { isSame(as: other.json) }

    /// Whether it says the same to a reader as what status shows, but for the time.
    func isSame(as shown: JSONValue) -> Bool { Self.timeless(json) == Self.timeless(shown) }

    private static func timeless(_ json: JSONValue) -> JSONValue {
        var json = json
        json.set(nil, at: "lastDecision", "time")
        return json
    }

    private static func text(_ number: Double) -> String {
        let rounded = (number * 10).rounded() / 10
        return Int64(exactly: rounded).map { String($0) } ?? rounded.description
    }
}

/// What the scaling loop remembers of each model, shared with the reconciler, which writes the status.
final class ScalingState: Sendable {
    /// One model's memory.
    struct Entry: Sendable {
        /// The autoscaler with its history.
        var autoscaler: Autoscaler
        /// The last page of each pod of the revision.
        var scrapes: [String: ReplicaScrape] = [:]
        /// The revision that the memory is about.
        var revision: Int
        /// The decision that status shows.
        var record: ScaleRecord?
    }

    /// How often status follows numbers that move without moving the count (a write per model each time).
    static let recordInterval = Duration.seconds(10)

    private struct State {
        var entries: [ObjectKey: Entry] = [:]
        /// When each model is looked at next, where it isn't resting.
        var due: [ObjectKey: WallTime] = [:]
        /// The models that rest, and when they are looked at even if nothing happens to them.
        var resting: [ObjectKey: WallTime] = [:]
        /// No model is due before.
        var earliest: WallTime?
    }

    private let state = Mutex(State())

    /// An empty memory.
    init() {}

    /// The decision that status shows; `nil` before the first of this process.
    func record(_ key: ObjectKey) -> ScaleRecord? { state.withLock { $0.entries[key]?.record } }

    /// Forgets a model.
    func forget(_ key: ObjectKey) {
        state.withLock { state in
            state.entries[key] = nil
            state.due[key] = nil
            state.resting[key] = nil
        }
    }

    /// Something happened to a model: it is looked at soon, unless its turn comes anyway.
    func wake(_ key: ObjectKey, now: WallTime) {
        state.withLock { state in
            guard state.due[key] == nil else { return }
            state.resting[key] = nil
            state.due[key] = now
            state.earliest = min(state.earliest ?? now, now)
        }
    }

    /// The models whose turn has come, in the order of their keys. Costs nothing while there is none.
    func due(now: WallTime) -> [ObjectKey] {
        state.withLock { state in
            guard let earliest = state.earliest, earliest <= now else { return [] }
            var keys: [ObjectKey] = []
            var next: WallTime?
            for times in [state.due, state.resting] {
                for (key, time) in times {
                    if time <= now { keys.append(key) } else { next = min(next ?? time, time) }
                }
            }
            for key in keys {
                state.due[key] = nil
                state.resting[key] = nil
            }
            state.earliest = next
            return keys.sorted()
        }
    }

    /// Sets when a model is looked at next.
    ///
    /// One that rests (nothing of it is ready, and nothing is to be done) is woken by whatever happens to it. Looked at
    /// again it is only for what time alone may change, at moments that are spread over the interval.
    func look(_ key: ObjectKey, at time: WallTime, rests: Bool) {
        state.withLock { state in
            // Woken meanwhile: its turn comes anyway.
            if rests, state.due[key] != nil { return }
            if rests { state.resting[key] = time } else { state.due[key] = time }
            state.earliest = min(state.earliest ?? time, time)
        }
    }

    /// The memory of a model; a fresh one for another revision keeps the history of decisions.
    func entry(_ key: ObjectKey, policy: ScalingPolicy, revision: Int) -> Entry {
        var entry =
            state.withLock { $0.entries[key] } ?? Entry(autoscaler: Autoscaler(policy: policy), revision: revision)
        entry.autoscaler.policy = policy
        if entry.revision != revision {
            entry.revision = revision
            entry.scrapes = [:]
        }
        return entry
    }

    /// Stores the memory after a decision; answers whether what status shows has changed.
    ///
    /// `shown` is `status.scaling` as it is: after a restart it holds the last decision, and the same decision again is
    /// no news. A model of which nothing was ever scraped needs no memory.
    func store(_ entry: Entry, decided new: ScaleRecord, shown: JSONValue?, for key: ObjectKey) -> Bool {
        let isNews = Self.isNews(new, after: entry.record, shown: shown)
        var entry = entry
        if isNews { entry.record = new }
        state.withLock { $0.entries[key] = entry.record == nil && entry.scrapes.isEmpty ? nil : entry }
        return isNews
    }

    private static func isNews(_ new: ScaleRecord, after old: ScaleRecord?, shown: JSONValue?) -> Bool {
        if new.decision.isChange { return true }
        guard let old else {
            guard let shown else { return true }
            // Before the first replica is ready there is no decision to show, only a count.
            let isWaiting = new.decision.reason.code == "NothingReady" && shown["lastDecision"] == nil
            return isWaiting ? shown["desiredReplicas"]?.int != new.decision.desired : !new.isSame(as: shown)
        }
        return new.decision.desired != old.decision.desired
            || new.decision.reason.code != old.decision.reason.code || new.revision != old.revision
            || (new.time - old.time >= recordInterval && !new.isSame(as: old))
    }
}
