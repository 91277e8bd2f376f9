// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeRuntime
import Rollouts
import ServiceLifecycle
import Synchronization
import Telemetry

/// Asks the checks of the analyses that are under way, in the background: a slow check delays nobody but its own model.
///
/// An answer holds for one revision at one step. Until the first one of a step comes in the check has no data.
final class CheckPoller: Service {
    /// The most checks that are asked at one time.
    static let concurrency = 16
    /// The most of one model: it may have twenty that take a minute each.
    static let mostOfModel = concurrency / 4
    /// How long what nobody reads any more is asked; and an answer holds, when its check gives no other. At least three intervals.
    static let patience = Duration.seconds(60)
    /// The longest time for a query.
    static let queryTimeout = Duration.seconds(5)
    /// The most bytes of a webhook's answer that are read.
    static let answerLimit = 64 << 10
    /// How often it looks what is due.
    static let tick = Duration.milliseconds(250)

    private struct JobKey: Hashable, Comparable {
        var model: ObjectKey
        var name: String

        static func < (left: JobKey, right: JobKey) -> Bool {
            (left.model.description, left.name) < (right.model.description, right.name)
        }
    }

    private struct Job: Sendable {
        var check: AnalysisCheck
        var context: CheckContext
        var interval: Duration
        var due: WallTime
        var lastRead: WallTime
        /// Counts up when another question is asked, so that a late answer isn't taken for the new one's.
        var generation: UInt64
        var isRunning = false
        var answer: (outcome: RolloutCheck, time: WallTime)?

        /// How long it is asked without being read, and its answer holds: it is read and asked once in an interval.
        var patience: Duration { max(CheckPoller.patience, interval * 3) }
    }

    private struct State {
        var jobs: [JobKey: Job] = [:]
        var generation: UInt64 = 0
    }

    private let exchange: any HTTPExchange
    private let time: any TimeSource
    private let onAnswer: @Sendable (ObjectKey) -> Void
    private let state = Mutex(State())

    /// A poller without a check.
    /// - Parameter onAnswer: called with a model of which a check's answer changed.
    init(exchange: any HTTPExchange, time: any TimeSource, onAnswer: @escaping @Sendable (ObjectKey) -> Void) {
        self.exchange = exchange
        self.time = time
        self.onAnswer = onAnswer
    }

    /// The last answers of a model's checks, in their order, and the wish for the next ones.
    /// - Parameter interval: the time between two answers; at least 1 s.
    func outcomes(_ checks: [AnalysisCheck], about context: CheckContext, interval: Duration) -> [RolloutCheck] {
        let now = time.now()
        let interval = max(interval, .seconds(1))
        return state.withLock { state in
            let wanted = Set(checks.map { JobKey(model: context.model, name: $0.name) })
            state.jobs = state.jobs.filter { $0.key.model != context.model || wanted.contains($0.key) }
            return checks.map { check in
                if case .impossible(let reason) = check.question { return RolloutCheck(check.name, .unknown, reason) }
                let key = JobKey(model: context.model, name: check.name)
                var job = state.jobs[key].flatMap { $0.check == check && $0.context.isSameQuestion(context) ? $0 : nil }
                if job == nil {
                    state.generation += 1
                    job = Job(
                        check: check,
                        context: context,
                        interval: interval,
                        due: now,
                        lastRead: now,
                        generation: state.generation
                    )
                }
                job?.context = context
                job?.interval = interval
                job?.lastRead = now
                state.jobs[key] = job
                guard let job, let answer = job.answer else {
                    return RolloutCheck(check.name, .unknown, "it isn't answered yet")
                }
                let age = now - answer.time
                guard age <= job.patience else {
                    return RolloutCheck(check.name, .unknown, "it has not answered for \(Int(age.inSeconds)) s")
                }
                return answer.outcome
            }
        }
    }

    /// Stops asking for a model.
    func forget(_ model: ObjectKey) { state.withLock { $0.jobs = $0.jobs.filter { $0.key.model != model } } }

    /// Asks until cancelled or shut down.
    func run() async throws {
        await cancelOnShutdown {
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled {
                    for (key, job) in self.take() { group.addTask { await self.ask(key, job) } }
                    guard (try? await self.time.sleep(for: Self.tick)) != nil else { break }
                }
                group.cancelAll()
            }
        }
    }

    private func take() -> [(JobKey, Job)] {
        let now = time.now()
        return state.withLock { state in
            guard !state.jobs.isEmpty else { return [] }
            state.jobs = state.jobs.filter { $0.value.isRunning || now - $0.value.lastRead <= $0.value.patience }
            var running: [ObjectKey: Int] = [:]
            for (key, job) in state.jobs where job.isRunning { running[key.model, default: 0] += 1 }
            var room = Self.concurrency - running.values.reduce(0, +)
            var taken: [(JobKey, Job)] = []
            let due = state.jobs.filter { !$0.value.isRunning && $0.value.due <= now }
            for (key, job) in due.sorted(by: { ($0.value.due, $0.key) < ($1.value.due, $1.key) }) where room > 0 {
                guard running[key.model] ?? 0 < Self.mostOfModel else { continue }
                room -= 1
                running[key.model, default: 0] += 1
                state.jobs[key]?.isRunning = true
                taken.append((key, job))
            }
            return taken
        }
    }

    private func ask(_ key: JobKey, _ job: Job) async {
        let outcome = await answer(job.check, job.context)
        let now = time.now()
        let isNews = state.withLock { state in
            guard state.jobs[key]?.generation == job.generation else { return false }
            let before = state.jobs[key]?.answer?.outcome.answer
            state.jobs[key]?.isRunning = false
            state.jobs[key]?.due = now + job.interval
            state.jobs[key]?.answer = (outcome, now)
            return before != outcome.answer
        }
        if isNews { onAnswer(key.model) }
    }

    /// Asks one check within its time limit.
    func answer(_ check: AnalysisCheck, _ context: CheckContext) async -> RolloutCheck {
        switch check.question {
        case .impossible(let reason): return RolloutCheck(check.name, .unknown, reason)
        case .prometheus(let address, let query, let min, let max):
            return await within(Self.queryTimeout, check.name) {
                let client = PrometheusClient(exchange: self.exchange, address: address, timeout: Self.queryTimeout)
                let query = PrometheusQueries.filled(query, with: context.values)
                do throws(PrometheusQueryError) {
                    let answer = try await client.query(query, lookback: .seconds(60))
                    return CheckRule.judge(check.name, answer, min: min, max: max, now: self.time.now())
                } catch {
                    return RolloutCheck(check.name, .unknown, PrintableText.line(error.description))
                }
            }
        case .webhook(let address, let timeout):
            return await within(timeout, check.name) {
                let body = context.body(check: check.name)
                let request = address.post(body, timeout: timeout, answerLimit: Self.answerLimit)
                do {
                    let response = try await self.exchange.exchange(request)
                    // A body that is too large or breaks off takes its message with it, not the answer.
                    let body = (try? await response.body.collect(upTo: Self.answerLimit)) ?? []
                    return CheckRule.judge(check.name, status: response.head.status.code, body: body)
                } catch {
                    return RolloutCheck(check.name, .unknown, PrintableText.line("no answer: \(error)"))
                }
            }
        }
    }

    /// Does `body` within a time limit: a moment more than the exchange has, whose own error says more.
    private func within(
        _ limit: Duration,
        _ name: String,
        _ body: @escaping @Sendable () async -> RolloutCheck
    ) async -> RolloutCheck {
        let outcome = await withTimeLimit(limit + .milliseconds(500), time, body)
        return outcome ?? RolloutCheck(name, .unknown, "no answer within \(limit.inSeconds) s")
    }
}

extension CheckContext {
    /// Whether an answer about the other holds for this one: the weight may be on its way.
    fileprivate func isSameQuestion(_ other: CheckContext) -> Bool {
        (model, revision, stableRevision, step) == (other.model, other.revision, other.stableRevision, other.step)
    }
}
