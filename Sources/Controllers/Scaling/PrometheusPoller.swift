// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import KubeModel
import KubeRuntime
import ServiceLifecycle
import Synchronization
import Telemetry

/// Asks the Prometheus servers that models name, in the background: a slow server delays only those who asked for it.
final class PrometheusPoller: Service {
    /// The most models that are asked for at one time.
    private static let concurrency = 16
    /// How long what nobody reads any more is asked for.
    private static let patience = Duration.seconds(60)

    private struct Job: Sendable {
        var source: PrometheusSource
        var queries: PrometheusQueries
        var pods: [String]
        var interval: Duration
        var due: WallTime
        var lastRead: WallTime
        var isRunning = false
        var answer: (signals: TrackSignals, time: WallTime)?
    }

    private let exchange: any HTTPExchange
    private let time: any TimeSource
    private let onAnswer: @Sendable (ScrapeGroup) -> Void
    private let jobs = Mutex<[ScrapeGroup: Job]>([:])

    /// A poller without a job.
    init(
        exchange: any HTTPExchange,
        time: any TimeSource,
        onAnswer: @escaping @Sendable (ScrapeGroup) -> Void
    ) {
        self.exchange = exchange
        self.time = time
        self.onAnswer = onAnswer
    }

    /// The last answer for a group, and the wish for the next one.
    func signals(
        _ prometheus: ModelDeployment.Prometheus,
        of group: ScrapeGroup,
        model: ModelObservation,
        pods: [String]
    ) -> TrackSignals {
        let now = time.now()
        let queries = Self.queries(prometheus, group: group, percentile: model.model.scaling.latency?.percentile ?? 95)
        guard let address = PrometheusAddress(prometheus.address) else {
            return Self.missing(pods, "\(prometheus.address) is no address of a Prometheus server")
        }
        let answer = jobs.withLock { jobs in
            var job =
                jobs[group]
                ?? Job(
                    source: PrometheusSource(
                        client: PrometheusClient(exchange: exchange, address: address),
                        time: time
                    ),
                    queries: queries,
                    pods: pods,
                    interval: .zero,
                    due: now,
                    lastRead: now
                )
            if job.queries != queries {
                job.source = PrometheusSource(
                    client: PrometheusClient(exchange: exchange, address: address),
                    time: time
                )
                job.queries = queries
                job.due = now
                job.answer = nil
            }
            job.pods = pods
            job.interval = .seconds(model.model.scaling.intervalSeconds)
            job.lastRead = now
            jobs[group] = job
            return job.answer
        }
        guard let answer else { return TrackSignals(pending: pods, now: now) }
        let age = now - answer.time
        guard age <= ModelSignals.staleAfter else {
            return Self.missing(pods, "Prometheus has not answered for \(Int(age.inSeconds)) s")
        }
        return answer.signals
    }

    /// Asks until cancelled or shut down.
    func run() async throws {
        await cancelOnShutdown {
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled {
                    for (key, job) in self.take() { group.addTask { await self.ask(key, job) } }
                    guard (try? await self.time.sleep(for: .milliseconds(250))) != nil else { break }
                }
                group.cancelAll()
            }
        }
    }

    private func take() -> [(ScrapeGroup, Job)] {
        let now = time.now()
        return jobs.withLock { jobs in
            guard !jobs.isEmpty else { return [] }
            for (key, job) in jobs where !job.isRunning && now - job.lastRead > Self.patience { jobs[key] = nil }
            var room = Self.concurrency - jobs.values.count(where: \.isRunning)
            var taken: [(ScrapeGroup, Job)] = []
            let due = jobs.filter { !$0.value.isRunning && $0.value.due <= now }
            for (key, job) in due.sorted(by: { ($0.value.due, $0.key.name) < ($1.value.due, $1.key.name) })
            where room > 0 {
                room -= 1
                jobs[key]?.isRunning = true
                taken.append((key, job))
            }
            return taken
        }
    }

    private func ask(_ group: ScrapeGroup, _ job: Job) async {
        let signals = await job.source.signals(job.queries, pods: job.pods)
        let now = time.now()
        jobs.withLock { jobs in
            jobs[group]?.isRunning = false
            jobs[group]?.due = now + job.interval
            if jobs[group]?.queries == job.queries { jobs[group]?.answer = (signals, now) }
        }
        onAnswer(group)
    }

    private static func queries(
        _ prometheus: ModelDeployment.Prometheus,
        group: ScrapeGroup,
        percentile: Double
    ) -> PrometheusQueries {
        let kinds: [String: SignalKind] = [
            "queueLength": .queueLength, "inFlight": .inFlight, "requestRate": .requestRate, "errorRate": .errorRate,
            "latency": .latency,
        ]
        var queries: [SignalKind: String] = [:]
        for (name, query) in prometheus.queries { if let kind = kinds[name] { queries[kind] = query } }
        let values = [
            "namespace": group.model.namespace ?? "", "model": group.model.name, "revision": "\(group.revision)",
        ]
        return PrometheusQueries(
            queries,
            latencyPercentile: percentile,
            lookback: .seconds(prometheus.lookbackSeconds)
        ).filled(with: values)
    }

    private static func missing(_ pods: [String], _ reason: String) -> TrackSignals {
        let parts = Dictionary(pods.map { ($0, TrackSignals.Part.missing(reason)) }) { first, _ in first }
        return TrackSignals(parts: parts, now: WallTime(nanoseconds: 0), staleAfter: .zero)
    }
}

extension TrackSignals {
    /// The signals of pods of which nothing was read yet.
    fileprivate init(pending pods: [String], now: WallTime) {
        let parts = Dictionary(pods.map { ($0, Part.pending) }) { first, _ in first }
        self.init(parts: parts, now: now, staleAfter: .zero)
    }
}
