// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import KubeRuntime
import Logging
import Scaling
import ServiceLifecycle
import Telemetry

/// Scrapes the pods of every model with engine `Direct`, decides, and writes the count: its only writer.
struct ScalingLoop: Service {
    /// The most models that are decided at one time.
    static let concurrency = 8
    /// When a model without a ready replica is looked at although nothing happened to it: after the longest default
    /// stabilization window (`behavior.scaleDown.stabilizationWindowSeconds`), so that nothing waits for time alone.
    static let restingInterval = Duration.seconds(300)

    /// What is known.
    let stores: FleetStores
    /// The memory.
    let state: ScalingState
    /// The cluster.
    let client: KubeClient
    /// What reads the metrics pages.
    let scraper: Scraper
    /// Where events go.
    let recorder: EventRecorder
    /// Our own metrics.
    let metrics: ScalingMetrics
    /// The time.
    let time: any TimeSource
    /// The logger.
    let logger: Logger
    /// Whether a model is this process's to scale; the next reconcile wakes one that is skipped.
    let isOurs: @Sendable (ObjectKey) -> Bool
    /// Called with a model whose status has news.
    let onNews: @Sendable (ObjectKey) -> Void

    /// Decides twice a second for the models that are due, until cancelled or shut down.
    ///
    /// Models become known by their first reconcile, which wakes them.
    func run() async throws {
        do {
            try await cancelOnShutdown { for store in stores.all { try await store.waitUntilSynced() } }
            // A shutdown lets the decisions in hand be written: a write that is given up keeps the lease from others.
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                await tick()
                try await cancelOnShutdown { try await time.sleep(for: .milliseconds(500)) }
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
                    }
                }
            }
        }
    }

    /// Observes, decides and acts for one model whose turn has come, and sets its next one.
    func decide(_ key: ObjectKey) async {
        let now = time.now()
        guard let observation = ModelObservation(key, stores: stores, scaling: nil, time: now),
            observation.model.scaling.engine == .direct, let revision = observation.stableRevision,
            let deployment = observation.deployment(revision),
            case .found(let runtime) = ServingRuntime.choose(for: observation.model, among: observation.runtimes)
        else { return }
        var entry = state.entry(key, policy: observation.model.scalingPolicy, revision: revision)
        let signals = await scrape(observation.pods(of: revision), runtime: runtime, entry: &entry)
        let input = scaleObservation(observation.model, deployment: deployment, signals: signals)
        let decision = entry.autoscaler.decide(input)
        if decision.isChange, await write(decision, deployment: deployment, model: observation.model.object) {
            entry.autoscaler.didScale(from: decision.current, to: decision.desired, at: time.now())
        }
        let queue = signals.readings[.queueLength].map { $0.total / Double(max(1, $0.reporting)) }
        let p95 = signals.latency?.percentile(95).map { $0 * 1000 }
        let record = ScaleRecord(time: now, decision: decision, revision: revision, queue: queue, p95: p95)
        metrics.note(key, record: record, missing: signals.missing.count)
        logger.debug(
            "scaling decided",
            metadata: [
                "model": "\(key)", "from": "\(decision.current)", "to": "\(decision.desired)",
                "reason": "\(decision.reason.code)",
                "steps": "\(decision.steps.map { "\($0.rule) \($0.before)>\($0.after)" }.joined(separator: ", "))",
            ]
        )
        let sawNothing = signals.readings.isEmpty && signals.missing.isEmpty
        let isNews = state.store(entry, decided: record, shown: observation.stored["status", "scaling"], for: key)
        if isNews { onNews(key) }
        setNextLook(key, observation, rests: sawNothing && !isNews, now: now)
    }

    private func setNextLook(_ key: ObjectKey, _ observation: ModelObservation, rests: Bool, now: WallTime) {
        guard rests else {
            return state.look(key, at: now + .seconds(observation.model.scaling.intervalSeconds), rests: false)
        }
        // Between half and whole, by the name: models that came together don't come back together.
        let spread = key.description.utf8.reduce(UInt64(0)) { ($0 &* 31 &+ UInt64($1)) % 1021 }
        let share = 0.5 + Double(spread) / 2042
        state.look(key, at: now + .seconds(Self.restingInterval.inSeconds * share), rests: true)
    }

    private func scrape(
        _ pods: [KubeObject],
        runtime: ServingRuntime,
        entry: inout ScalingState.Entry
    ) async -> TrackSignals {
        let endpoint = runtime.metricsEndpoint
        var parts: [String: TrackSignals.Part] = [:]
        var targets: [ScrapeTarget] = []
        for pod in pods where PodDiagnosis.isReady(pod) {
            guard let address = pod["status", "podIP"]?.string, !address.isEmpty else {
                parts[pod.name] = .missing("the pod has no address")
                continue
            }
            let host = address.contains(":") ? "[\(address)]" : address
            targets.append(ScrapeTarget(pod: pod.name, authority: "\(host):\(endpoint.port)", path: endpoint.path))
        }
        var scrapes: [String: ReplicaScrape] = [:]
        for (pod, result) in await scraper.scrape(targets, mapping: runtime.mapping) {
            switch result {
            case .failed(let reason):
                parts[pod] = .missing(reason)
                scrapes[pod] = entry.scrapes[pod]
            case .scraped(let scrape):
                parts[pod] = .reported(ReplicaSignals(scrape, since: entry.scrapes[pod]))
                scrapes[pod] = scrape
            }
        }
        entry.scrapes = scrapes
        return TrackSignals(parts: parts, now: time.now(), staleAfter: .seconds(30))
    }

    private func scaleObservation(
        _ model: ModelDeployment,
        deployment: KubeObject,
        signals: TrackSignals
    ) -> ScaleObservation {
        ScaleObservation(
            time: time.now(),
            replicas: deployment["spec", "replicas"]?.int ?? 1,
            readyReplicas: deployment["status", "readyReplicas"]?.int ?? 0,
            readings: signals.readings,
            latency: model.scaling.latency.flatMap { signals.latencyReading(percentile: $0.percentile) },
            missing: signals.missing
        )
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
            return false
        }
        let isUp = decision.desired > decision.current
        logger.info(
            "scaled",
            metadata: [
                "model": "\(model.key)", "from": "\(decision.current)", "to": "\(decision.desired)",
                "reason": "\(decision.reason.message)",
            ]
        )
        await recorder.record(
            model,
            .normal,
            reason: isUp ? "ScaledUp" : "ScaledDown",
            message: "from \(decision.current) to \(decision.desired) replicas: \(decision.reason.message)"
        )
        return true
    }
}
