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
    func isSame(as other: ScaleRecord) -> Bool {
        func timeless(_ record: ScaleRecord) -> JSONValue {
            var json = record.json
            json.set(nil, at: "lastDecision", "time")
            return json
        }
        return timeless(self) == timeless(other)
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
        /// When the next decision is due.
        var due: WallTime
        /// The decision that status shows.
        var record: ScaleRecord?
    }

    /// How often status follows numbers that move without moving the count (a write per model each time).
    static let recordInterval = Duration.seconds(10)

    private let entries = Mutex<[ObjectKey: Entry]>([:])

    /// An empty memory.
    init() {}

    /// The decision that status shows; `nil` before the first of this process.
    func record(_ key: ObjectKey) -> ScaleRecord? { entries.withLock { $0[key]?.record } }

    /// Forgets a model.
    func forget(_ key: ObjectKey) { entries.withLock { $0[key] = nil } }

    /// The memory of a model; a fresh one for another revision keeps the history of decisions.
    func entry(_ key: ObjectKey, policy: ScalingPolicy, revision: Int, now: WallTime) -> Entry {
        entries.withLock { entries in
            var entry = entries[key] ?? Entry(autoscaler: Autoscaler(policy: policy), revision: revision, due: now)
            entry.autoscaler.policy = policy
            if entry.revision != revision {
                entry.revision = revision
                entry.scrapes = [:]
            }
            entries[key] = entry
            return entry
        }
    }

    /// Stores the memory after a decision; answers whether what status shows has changed.
    func store(_ entry: Entry, decided new: ScaleRecord, for key: ObjectKey) -> Bool {
        entries.withLock { entries in
            var entry = entry
            let old = entry.record
            let isNews =
                old.map { old in
                    new.decision.isChange || new.decision.desired != old.decision.desired
                        || new.decision.reason.code != old.decision.reason.code || new.revision != old.revision
                        || (new.time - old.time >= Self.recordInterval && !new.isSame(as: old))
                } ?? true
            if isNews { entry.record = new }
            entries[key] = entry
            return isNews
        }
    }
}
