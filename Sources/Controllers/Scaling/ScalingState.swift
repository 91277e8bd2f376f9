// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Rollouts
import Scaling
import Synchronization
import Telemetry

/// What the scaling loop remembers of each model, shared with the reconciler, which writes the status.
final class ScalingState: Sendable {
    /// One model's memory.
    struct Entry: Sendable {
        /// The autoscaler with its history.
        var autoscaler: Autoscaler
        /// How long its pods take to get ready.
        var coldStarts: ColdStarts
        /// What the board scrapes for it.
        var watched: [ScrapeGroup: [ScrapeTarget]] = [:]
        /// What the metrics API serves of it, with engine `HorizontalPodAutoscaler`.
        var readings: [Signal: ExternalReading] = [:]
        /// When it was decided, or only read, last.
        var decided: WallTime?
        /// The decision that status shows.
        var record: ScaleRecord?
        /// The decisions that changed the count, the newest first.
        var changes: [JSONValue]
        /// The newest of them, where both tracks share the count.
        var sharedChange: JSONValue?

        /// A memory that starts from what status shows.
        init(policy: ScalingPolicy, shown: JSONValue?) {
            autoscaler = Autoscaler(policy: policy)
            coldStarts = ColdStarts(shown: shown)
            changes = shown?["recentChanges"]?.array ?? []
        }

        /// Whether it holds anything worth keeping.
        var isEmpty: Bool { record == nil && readings.isEmpty && watched.values.allSatisfy(\.isEmpty) }
    }

    /// How often status follows numbers that move without moving the count (a write per model each time), at most.
    static let recordInterval = Duration.seconds(10)
    /// How many such writes a second the whole fleet makes, at most: the API server keeps every one of them for minutes.
    static let recordsPerSecond = 20.0

    private struct State {
        var entries: [ObjectKey: Entry] = [:]
        /// When each model is looked at next, where it isn't resting.
        var due: [ObjectKey: WallTime] = [:]
        /// The models that rest, and when they are looked at even if nothing happens to them.
        var resting: [ObjectKey: WallTime] = [:]
        /// No model is due before.
        var earliest: WallTime?
        /// What else scales a model's target.
        var foreign: [ObjectKey: ForeignScaler] = [:]
        /// The rollouts that share the load, as this process wrote them.
        var sharing: [ObjectKey: RolloutState] = [:]
        /// When the next write of numbers that move may be made.
        var nextRecord: WallTime?
        /// Called with what was scraped for a model that is forgotten.
        var onForget: @Sendable (ObjectKey, [ScrapeGroup: [ScrapeTarget]]) -> Void = { _, _ in }
    }

    private let state = Mutex(State())

    /// An empty memory.
    init() {}

    /// Sets what is called with a model that is forgotten, and with its groups.
    func onForget(_ body: @escaping @Sendable (ObjectKey, [ScrapeGroup: [ScrapeTarget]]) -> Void) {
        state.withLock { $0.onForget = body }
    }

    /// The decision that status shows; `nil` before the first of this process.
    func record(_ key: ObjectKey) -> ScaleRecord? { state.withLock { $0.entries[key]?.record } }

    /// What else scales a model's target; `nil` where nothing is known to.
    func foreign(_ key: ObjectKey) -> ForeignScaler? { state.withLock { $0.foreign[key] } }

    /// Whether anything else is known to scale a model.
    var hasForeign: Bool { state.withLock { !$0.foreign.isEmpty } }

    /// Sets what else scales which models; answers the models of which that changed.
    func setForeign(_ found: [ObjectKey: ForeignScaler]) -> [ObjectKey] {
        state.withLock { state in
            let old = state.foreign
            state.foreign = found
            return Set(old.keys).union(found.keys).filter { old[$0] != found[$0] }.sorted()
        }
    }

    /// Notes the rollout of a model whose tracks share the load, before anything follows from it; `nil`: they don't.
    ///
    /// The store of models may show it later than that of Deployments shows the stable track without what it gave up.
    func noteSharing(_ key: ObjectKey, _ rollout: RolloutState?) { state.withLock { $0.sharing[key] = rollout } }

    /// The rollout of a model whose tracks share the load, as far as this process knows.
    func sharing(_ key: ObjectKey) -> RolloutState? { state.withLock { $0.sharing[key] } }

    /// Forgets a model.
    func forget(_ key: ObjectKey) {
        let (watched, body) = state.withLock { state in
            let watched = state.entries[key]?.watched ?? [:]
            state.entries[key] = nil
            state.due[key] = nil
            state.resting[key] = nil
            state.sharing[key] = nil
            return (watched, state.onForget)
        }
        body(key, watched)
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

    /// A page of a model came in: its turn comes at once, or half an interval after the last one.
    func pageCame(_ key: ObjectKey, now: WallTime) {
        state.withLock { state in
            guard let due = state.due[key], let decided = state.entries[key]?.decided else { return }
            // `due` is one interval after `decided`.
            let half = decided + (due - decided) / 2
            let time = max(now, min(half, due))
            guard time < due else { return }
            state.due[key] = time
            state.earliest = min(state.earliest ?? time, time)
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

    /// The memory of a model, for one decision, after which it is stored; `shown` is `status.scaling`, from which a fresh one starts.
    ///
    /// The autoscaler isn't left behind: its history is long, and with two that hold it a decision would copy all of it.
    func take(_ key: ObjectKey, policy: ScalingPolicy, shown: @autoclosure () -> JSONValue?) -> Entry {
        let known = state.withLock { state in
            let entry = state.entries[key]
            state.entries[key]?.autoscaler = Autoscaler(policy: policy)
            return entry
        }
        var entry = known ?? Entry(policy: policy, shown: shown())
        entry.autoscaler.policy = policy
        entry.autoscaler.policy.coldStartSeconds = entry.coldStarts.meanSeconds
        return entry
    }

    /// What is scraped for a model, and what is known of its cold starts.
    func offered(_ key: ObjectKey) -> (watched: [ScrapeGroup: [ScrapeTarget]], coldStarts: ColdStarts?) {
        state.withLock { ($0.entries[key]?.watched ?? [:], $0.entries[key]?.coldStarts) }
    }

    /// The mean cold start of a model's pods, in seconds; `nil` before one was seen.
    func coldStart(_ key: ObjectKey) -> Double? { state.withLock { $0.entries[key]?.coldStarts.meanSeconds } }

    /// Keeps the memory of a model that isn't decided here: what was read, and how long its pods take to get ready.
    func keep(_ entry: Entry, for key: ObjectKey) {
        let isWorthless = entry.isEmpty && entry.coldStarts.meanSeconds == nil
        state.withLock { $0.entries[key] = isWorthless ? nil : entry }
    }

    /// What is scraped in a namespace, in the order of the models' names.
    func groups(namespace: String) -> [ScrapeGroup] {
        let found = state.withLock { state in
            state.entries.flatMap { key, entry in key.namespace == namespace ? Array(entry.watched.keys) : [] }
        }
        return found.sorted { ($0.model, $0.revision) < ($1.model, $1.revision) }
    }

    /// What the metrics API serves of a namespace's models, in the order of their names.
    func offered(namespace: String) -> [(key: ObjectKey, readings: [Signal: ExternalReading])] {
        let found = state.withLock { state in
            state.entries.compactMap { key, entry in
                // A model that is decided here has a record; one of which nothing is read has nothing to serve.
                key.namespace == namespace && entry.record == nil && !entry.isEmpty
                    ? (key: key, readings: entry.readings) : nil
            }
        }
        return found.sorted { $0.key < $1.key }
    }

    /// Stores the memory after a decision; answers whether what status shows has changed.
    ///
    /// `shown` is `status.scaling` as it is: after a restart it holds the last decision, and the same decision again is
    /// no news. A model of which nothing was ever scraped needs no memory.
    func store(
        _ entry: Entry,
        decided new: ScaleRecord,
        shown: @autoclosure () -> JSONValue?,
        for key: ObjectKey
    ) -> Bool {
        let isNews = Self.isNews(new, after: entry.record, shown: shown()) || isTurn(new, after: entry.record)
        var entry = entry
        if isNews { entry.record = new }
        entry.readings = [:]
        state.withLock { $0.entries[key] = entry.isEmpty ? nil : entry }
        return isNews
    }

    /// Whether numbers moved, and status hasn't followed them for so long that it does now.
    private func isTurn(_ new: ScaleRecord, after old: ScaleRecord?) -> Bool {
        guard let old, new.time - old.time >= Self.recordInterval else { return false }
        let now = new.time
        let isDue = state.withLock { state in
            // Each in its turn: those that come first in a round must not take the turns of the rest.
            new.time - old.time >= .seconds(Double(state.entries.count) / Self.recordsPerSecond)
                && state.nextRecord ?? now <= now
        }
        guard isDue, !new.isSame(as: old) else { return false }
        return state.withLock { state in
            // Another lane may have taken it meanwhile.
            guard state.nextRecord ?? now <= now else { return false }
            // What wasn't used is lost after a second.
            let last = max(state.nextRecord ?? now, now - .seconds(1))
            state.nextRecord = last + .seconds(1 / Self.recordsPerSecond)
            return true
        }
    }

    /// Whether there is something else to tell than numbers that moved.
    private static func isNews(
        _ new: ScaleRecord,
        after old: ScaleRecord?,
        shown: @autoclosure () -> JSONValue?
    ) -> Bool {
        guard let old else {
            guard let shown = shown() else { return true }
            if new.decision.isChange { return true }
            // Before the first replica was read there is no decision to show, only a count. After a restart what is shown stays
            // until then.
            let isWaiting =
                new.isUnread || new.decision.reason.code == "NothingReady" && shown["lastDecision"] == nil
            return isWaiting ? shown["desiredReplicas"]?.int != new.decision.desired : !new.isSame(as: shown)
        }
        if new.isUnread, new.acted == old.acted, new.hindrance == old.hindrance { return false }
        return new.decision.desired != old.decision.desired
            || new.decision.reason.code != old.decision.reason.code || new.revision != old.revision
            || new.inputs?.observation.missingSignals != old.inputs?.observation.missingSignals
            || new.inputs?.observation.missing.isEmpty != old.inputs?.observation.missing.isEmpty
            || new.inputs?.observation.missingElsewhere.isEmpty != old.inputs?.observation.missingElsewhere.isEmpty
            || new.hindrance != old.hindrance || new.acted != old.acted || new.changes.count != old.changes.count
            || new.changes.first != old.changes.first
    }
}
