// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import KubeRuntime
import Logging
import Rollouts
import Scaling
import ServiceLifecycle
import Telemetry

/// Decides the replica count of every model with engine `Direct` from what was scraped, and writes it: its only writer.
///
/// Of models that an HPA scales it only reads the signals, for the metrics API; of all, how long pods take to get ready.
struct ScalingLoop: Service {
    /// The most models that are decided at one time.
    static let concurrency = 8
    /// When a model without a ready replica is looked at although nothing happened to it: after the longest default
    /// stabilization window (`behavior.scaleDown.stabilizationWindowSeconds`), so that nothing waits for time alone.
    static let restingInterval = Duration.seconds(300)
    /// The same for a model with schedules.
    static let scheduledRest = Duration.seconds(30)
    /// How often it looks who is due.
    static let tickInterval = Duration.milliseconds(200)

    /// What is known.
    let stores: FleetStores
    /// The memory.
    let state: ScalingState
    /// The cluster.
    let client: KubeClient
    /// Where the signals come from.
    let signals: ModelSignals
    /// Where events go.
    let recorder: EventRecorder
    /// Our own metrics.
    let metrics: ScalingMetrics
    /// Whose counts the API server refuses.
    let refusals = PassingTrouble()
    /// The time.
    let time: any TimeSource
    /// The logger.
    let logger: Logger
    /// Whether a model is this process's to scale; the next reconcile wakes one that is skipped.
    let isOurs: @Sendable (ObjectKey) -> Bool
    /// Whether a model is this process's to remember: not any more once its shard is lost.
    let isHeld: @Sendable (ObjectKey) -> Bool
    /// Called with a model whose status has news.
    let onNews: @Sendable (ObjectKey) -> Void

    /// Decides for the models that are due, until cancelled or shut down.
    ///
    /// Models become known by their first reconcile, which wakes them.
    func run() async throws {
        do {
            try await cancelOnShutdown { for store in stores.all { try await store.waitUntilSynced() } }
            // A shutdown lets the decisions in hand be written: a write that is given up keeps the lease from others.
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                await tick()
                try await cancelOnShutdown { try await time.sleep(for: Self.tickInterval) }
            }
        } catch {
            logger.debug("the scaling loop ends", metadata: ["reason": "\(error)"])
        }
    }

    /// One round over the models that are due.
    func tick() async {
        let keys = state.due(now: time.now())
        guard !keys.isEmpty else { return }
        await withDiscardingTaskGroup { group in
            let lanes = min(Self.concurrency, keys.count)
            for lane in 0..<lanes {
                group.addTask {
                    for index in stride(from: lane, to: keys.count, by: lanes) where isOurs(keys[index]) {
                        if Task.isShuttingDownGracefully { return }
                        await WriteScope.$key.withValue(keys[index]) { await decide(keys[index]) }
                        // Lost during the decision, which has brought back what was forgotten then.
                        if !isHeld(keys[index]) { state.forget(keys[index]) }
                    }
                }
            }
        }
    }

    /// Observes, decides and acts for one model whose turn has come, and sets its next one.
    func decide(_ key: ObjectKey) async {
        let now = time.now()
        guard var observation = ModelObservation(key, stores: stores, scaling: nil, keeping: .scaling, time: now),
            let revision = observation.stableRevision, let deployment = observation.deployment(revision),
            observation.runtime(of: revision) != nil
        else {
            // A decision that was under way when the model went has left its memory behind.
            if !stores.models.contains(key) {
                state.forget(key)
                refusals.forget(key)
            }
            return
        }
        observation.follow(state.sharing(key))
        switch observation.model.scaling.engine {
        case .direct: break
        case .horizontalPodAutoscaler:
            return offer(key, observation, revision: revision, now: now)
        case .external: return measure(key, observation)
        }
        // Read where nothing is remembered, since it is long.
        var shown: JSONValue? { stores.models.stored(key)?.value(at: "status", "scaling") }
        var entry = state.take(key, policy: observation.model.scalingPolicy, shown: shown)
        let seen = signals.read(observation, serving: revision, watched: &entry.watched)
        var input = ScaleObservation(
            observation,
            deployment: deployment,
            signals: seen,
            sinceLast: entry.decided.map { now - $0 },
            now: now
        )
        input.revision = revision
        let hindrance = hindrance(observation)
        // While both tracks carry the load in shares, the count is the demand: neither Deployment has it.
        let isShared = observation.rollout?.isSharing == true
        if isShared {
            var conditions: JSONValue? { stores.models.stored(key)?.value(at: "status", "conditions") }
            let acted = entry.record?.acted(in: observation.rollout)
            let asked = observation.model.outsideReplicas ?? acted
            share(&input, observation, acted: asked ?? ScaleRecord.acted(scaling: shown, conditions: conditions))
        }
        // Of all revisions: a pod that is looked at first when its revision is promoted may have got ready again meanwhile.
        input.coldStartSeconds = entry.coldStarts.look(at: observation.pods)
        let decision = entry.autoscaler.decide(input)
        entry.decided = now
        var record = record(decision, entry: entry, signals: seen, revision: revision, now: now)
        record.hindrance = hindrance
        record.isShared = isShared
        let acts = decision.isChange && record.hindrance == nil
        if acts, !isShared, decision.desired < decision.current {
            await mark(observation, revision: revision, decision, now: now)
        }
        // Shared, the reconciler derives each track's count from the record.
        if acts, isShared ? true : await write(decision, deployment: deployment, model: observation.model.object) {
            entry.autoscaler.didScale(from: decision.current, to: decision.desired, at: time.now())
            entry.changes = Array(([record.decisionJSON] + entry.changes).prefix(ScaleRecord.changeLimit))
            entry.sharedChange = isShared ? entry.changes.first : nil
        }
        record.changes = entry.changes
        record.sharedChange = entry.sharedChange
        note(key, record: record, missing: seen.missing.count)
        let isNews = state.store(entry, decided: record, shown: shown, for: key)
        if isNews { onNews(key) }
        setNextLook(key, observation, rests: sawNothing(seen, observation) && !isNews && !acts, now: now)
    }

    /// Puts the demand in the place of the stable track's count, and both tracks' replicas in that of its own.
    private func share(_ input: inout ScaleObservation, _ observation: ModelObservation, acted: Int?) {
        let replicas = max(0, acted ?? input.replicas)
        let tracks = observation.sharingRevisions.filter { !observation.getsOnlyCopies($0) }
        let ready = tracks.reduce(0) { $0 + observation.readyReplicas($1) }
        input.joinTracks(replicas: replicas, readyReplicas: min(replicas, max(0, ready - input.unreadReplicas)))
    }

    private func record(
        _ decision: ScaleDecision,
        entry: ScalingState.Entry,
        signals: TrackSignals,
        revision: Int,
        now: WallTime
    ) -> ScaleRecord {
        let inputs = entry.autoscaler.lastInputs
        let queue = inputs?.observation.readings[.queueLength]
        return ScaleRecord(
            time: now,
            decision: decision,
            inputs: inputs,
            revision: revision,
            queue: queue.flatMap { queue in inputs.map { queue.total / Double(max(1, $0.observation.workers(queue))) }
            },
            p95: signals.latency?.percentile(95).map { $0 * 1000 },
            coldStartSeconds: entry.coldStarts.meanSeconds
        )
    }

    private func hindrance(_ observation: ModelObservation) -> ScaleHindrance? {
        if let foreign = state.foreign(observation.stored.key) { return .foreign(foreign) }
        return observation.model.scaling.isObserved ? .observing : nil
    }

    private func note(_ key: ObjectKey, record: ScaleRecord, missing: Int) {
        metrics.note(key, record: record, missing: missing)
        let decision = record.decision
        logger.debug(
            "scaling decided",
            metadata: [
                "model": "\(key)", "from": "\(decision.current)", "to": "\(decision.desired)",
                "reason": "\(decision.reason.code)", "message": "\(decision.reason.message)",
            ]
        )
    }

    /// Whether there was nothing to read, of any track. A Prometheus server may have something at any time, and tells nobody.
    func sawNothing(_ seen: TrackSignals, _ observation: ModelObservation) -> Bool {
        seen.readings.isEmpty && seen.missing.isEmpty && seen.pending == 0 && seen.replicasElsewhere == 0
            && observation.model.scaling.prometheus == nil
    }

    /// Sets when a model is looked at next; one that `rests` has nothing that could be read.
    func setNextLook(_ key: ObjectKey, _ observation: ModelObservation, rests: Bool, now: WallTime) {
        guard rests else {
            return state.look(key, at: now + .seconds(observation.model.scaling.intervalSeconds), rests: false)
        }
        // Between half and whole, by the name: models that came together don't come back together.
        let spread = key.description.utf8.reduce(UInt64(0)) { ($0 &* 31 &+ UInt64($1)) % 1021 }
        let share = 0.5 + Double(spread) / 2042
        let longest = observation.model.scaling.schedules.isEmpty ? Self.restingInterval : Self.scheduledRest
        state.look(key, at: now + .seconds(longest.inSeconds * share), rests: true)
    }

    /// Marks the pods with the least in flight, so that they are the ones to go. A lane ends at its first failure: which
    /// pods go is worth little beside going down at all.
    private func mark(_ observation: ModelObservation, revision: Int, _ decision: ScaleDecision, now: WallTime) async {
        let group = ScrapeGroup(observation.stored.key, revision: revision)
        let costs = DeletionCosts(
            pods: observation.pods(of: revision),
            parts: signals.board.parts(of: group.name),
            desired: decision.desired,
            staleAfter: ModelSignals.staleAfter,
            now: now
        )
        let lanes = min(Self.concurrency, costs.writes.count)
        await withDiscardingTaskGroup { group in
            for lane in 0..<lanes {
                group.addTask {
                    for index in stride(from: lane, to: costs.writes.count, by: lanes) {
                        guard await write(costs.writes[index]) else { return }
                    }
                }
            }
        }
    }

    /// Writes one pod's deletion cost; `false` when that failed. A pod that is gone needs none.
    private func write(_ cost: DeletionCosts.Write) async -> Bool {
        let value = cost.cost.map { JSONValue.string(String($0)) } ?? .null
        let patch: JSONValue = ["metadata": ["annotations": [DeletionCosts.annotation: value]]]
        do {
            try await client.patch(.pods, cost.pod, .merge(patch))
        } catch {
            if error.isNotFound { return true }
            logger.warning(
                "a pod's deletion cost can't be written; another pod may go",
                metadata: ["pod": "\(cost.pod)", "error": "\(error)"]
            )
            return false
        }
        return true
    }

    /// Writes the count; `false` when that failed, and the next decision tries again.
    private func write(_ decision: ScaleDecision, deployment: KubeObject, model: KubeObject) async -> Bool {
        do {
            try await client.setReplicas(decision.desired, of: .deployments, deployment.key)
        } catch {
            logger.warning(
                "the replica count can't be written",
                metadata: ["deployment": "\(deployment.key)", "error": "\(error)"]
            )
            // What doesn't pass is tried again at each decision, and nothing else would tell.
            if error.isForbidden || error.isInvalid || error.isServerFailure,
                refusals.isNews(model.key, now: time.now())
            {
                let message =
                    "Deployment \(deployment.key.name) can't be set to \(decision.desired) replicas: \(error.message)"
                await recorder.record(model, .warning, reason: ScaleRecord.rejected, message: message)
            }
            return false
        }
        refusals.forget(model.key)
        logger.info(
            "scaled",
            metadata: [
                "model": "\(model.key)", "from": "\(decision.current)", "to": "\(decision.desired)",
                "reason": "\(decision.reason.message)",
            ]
        )
        let event = ScaleRecord.event(from: decision.current, to: decision.desired, why: decision.reason.message)
        await recorder.record(model, .normal, reason: event.reason, message: event.message)
        return true
    }
}
