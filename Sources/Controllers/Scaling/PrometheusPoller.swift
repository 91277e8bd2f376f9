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

/// Asks the Prometheus servers that models name, in the background: a slow or dead server delays only those who asked for it.
final class PrometheusPoller: Service {
    /// The most models that are asked for at one time.
    private static let concurrency = 16
    /// How long what nobody reads any more is asked for.
    private static let patience = Duration.seconds(60)

    /// The most of these that ask servers whose last answer didn't come, or that weren't asked yet.
    private static let trials = concurrency / 4

    private struct Job: Sendable {
        var address: PrometheusAddress
        var queries: PrometheusQueries
        var pods: [String]
        var interval: Duration
        var due: WallTime
        var lastRead: WallTime
        var isRunning = false
        var answer: (signals: TrackSignals, time: WallTime)? { didSet { isTooOld = false } }
        /// Whether it was told that the answer is too old to decide from.
        var isTooOld = false
    }

    private struct State {
        var jobs: [ScrapeGroup: Job] = [:]
        var servers = PrometheusServers()
    }

    private let exchange: any HTTPExchange
    private let time: any TimeSource
    private let random: any RandomSource
    private let onAnswer: @Sendable (ScrapeGroup) -> Void
    private let state = Mutex(State())

    /// A poller without a job.
    init(
        exchange: any HTTPExchange,
        time: any TimeSource,
        random: any RandomSource,
        onAnswer: @escaping @Sendable (ScrapeGroup) -> Void
    ) {
        self.exchange = exchange
        self.time = time
        self.random = random
        self.onAnswer = onAnswer
    }

    /// The last answer for a group, and the wish for the next one.
    /// - Parameter isServing: whether the group is the one whose count is decided; of another only what is its own counts.
    func signals(
        _ prometheus: ModelDeployment.Prometheus,
        of group: ScrapeGroup,
        isServing: Bool,
        model: ModelObservation,
        pods: [String]
    ) -> TrackSignals {
        let now = time.now()
        let percentile = model.model.scaling.latency?.percentile ?? 95
        let queries = Self.queries(prometheus, group: group, isServing: isServing, percentile: percentile)
        guard let address = PrometheusAddress(prometheus.address) else {
            return Self.missing(pods, "\(prometheus.address) is no address of a Prometheus server")
        }
        let interval = Duration.seconds(model.model.scaling.intervalSeconds)
        let (answer, outage) = state.withLock { state in
            var job = state.jobs[group]
            if job?.queries != queries || job?.address != address {
                // Models that came together aren't asked for together.
                let due = job == nil ? now + interval * random.unit() : now
                let isRunning = job?.isRunning ?? false
                job = Job(address: address, queries: queries, pods: [], interval: .zero, due: due, lastRead: now)
                job?.isRunning = isRunning
            }
            job?.pods = pods
            job?.interval = interval
            job?.lastRead = now
            state.jobs[group] = job
            return (job?.answer, state.servers.outage(address))
        }
        guard let answer else {
            if let outage { return Self.missing(pods, "Prometheus doesn't answer: \(outage)") }
            return TrackSignals(pending: pods, now: now)
        }
        let age = now - answer.time
        guard age <= ModelSignals.staleAfter else {
            return Self.missing(pods, "Prometheus has not answered for \(Int(age.inSeconds)) s")
        }
        return answer.signals.aged(by: age)
    }

    /// Asks until cancelled or shut down.
    func run() async throws {
        await cancelOnShutdown {
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled {
                    for (key, job) in self.take() { group.addTask { await self.ask(key, job) } }
                    for key in self.takeTooOld() { self.onAnswer(key) }
                    guard (try? await self.time.sleep(for: .milliseconds(250))) != nil else { break }
                }
                group.cancelAll()
            }
        }
    }

    private func take() -> [(ScrapeGroup, Job)] {
        let now = time.now()
        return state.withLock { state in
            guard !state.jobs.isEmpty else { return [] }
            for (key, job) in state.jobs where !job.isRunning && now - job.lastRead > Self.patience {
                state.jobs[key] = nil
            }
            state.servers.keep(Set(state.jobs.values.map(\.address)))
            var running: [PrometheusAddress: Int] = [:]
            for job in state.jobs.values where job.isRunning { running[job.address, default: 0] += 1 }
            var room = Self.concurrency - running.values.reduce(0, +)
            var trials = Self.trials - running.reduce(0) { $0 + (state.servers.answers($1.key) ? 0 : $1.value) }
            var taken: [(ScrapeGroup, Job)] = []
            let due = state.jobs.filter { !$0.value.isRunning && $0.value.due <= now }
            for (key, job) in due.sorted(by: { ($0.value.due, $0.key.name) < ($1.value.due, $1.key.name) })
            where room > 0 {
                let isTrial = !state.servers.answers(job.address)
                let open = running[job.address] ?? 0
                guard !isTrial || trials > 0, state.servers.mayAsk(job.address, running: open, now: now) else {
                    continue
                }
                room -= 1
                if isTrial { trials -= 1 }
                running[job.address] = open + 1
                state.jobs[key]?.isRunning = true
                taken.append((key, job))
            }
            return taken
        }
    }

    /// Whose last answer has just become too old to decide from: that changes a decision as an answer does, and the next question to a
    /// server that is away may be far off.
    private func takeTooOld() -> [ScrapeGroup] {
        let now = time.now()
        return state.withLock { state in
            let keys = state.jobs.filter { _, job in
                guard let answer = job.answer, !job.isTooOld else { return false }
                return now - answer.time > ModelSignals.staleAfter
            }.map(\.key)
            for key in keys { state.jobs[key]?.isTooOld = true }
            return keys
        }
    }

    private func ask(_ group: ScrapeGroup, _ job: Job) async {
        let asked = time.now()
        let watched = WatchedExchange(exchange)
        let client = PrometheusClient(exchange: watched, address: job.address)
        let signals = await PrometheusSource(client: client, time: time).signals(job.queries, pods: job.pods)
        let now = time.now()
        state.withLock { state in
            let outage = watched.outage
            state.servers.note(job.address, outage: outage, asked: asked, now: now, spread: random.unit())
            state.jobs[group]?.isRunning = false
            guard let current = state.jobs[group], current.queries == job.queries, current.address == job.address else {
                return
            }
            state.jobs[group]?.due = now + job.interval
            // A server that is away for a moment hasn't made the last answer wrong.
            let age = current.answer.map { now - $0.time }
            if outage != nil, let age, age <= ModelSignals.staleAfter { return }
            state.jobs[group]?.answer = (signals, now)
        }
        onAnswer(group)
    }

    private static func queries(
        _ prometheus: ModelDeployment.Prometheus,
        group: ScrapeGroup,
        isServing: Bool,
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
        // A total that names no revision has the load of all of them: it counts once.
        let shared = isServing ? [] : Set(queries.keys.filter { queries[$0]?.contains("${revision}") == false })
        var asked = PrometheusQueries(
            queries,
            latencyPercentile: percentile,
            lookback: .seconds(prometheus.lookbackSeconds)
        )
        asked.sharedTotals = shared
        return asked.filled(with: values)
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
