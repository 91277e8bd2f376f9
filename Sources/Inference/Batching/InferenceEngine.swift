// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
internal import Foundation

/// How an engine batches and bounds its work.
public struct EngineConfiguration: Sendable, Hashable {
    /// How requests become batches.
    public var policy: BatchPolicy
    /// The most requests that wait; one more is refused at once.
    public var maximumQueueLength: Int
    /// The number of threads that run batches; at least 1.
    public var workers: Int

    /// A configuration.
    public init(
        policy: BatchPolicy = BatchPolicy(),
        maximumQueueLength: Int = 256,
        workers: Int = 1
    ) {
        self.policy = policy
        self.maximumQueueLength = max(1, maximumQueueLength)
        self.workers = max(1, workers)
    }
}

/// Runs requests against a backend, in batches, on threads of its own.
///
/// Life of a request: refused (bad input, full queue), or queued, then taken by a thread and run, then answered. Its
/// deadline and its task's cancellation answer it at once; a queued one then leaves the queue, a running one runs on and
/// its result is dropped.
public final class InferenceEngine: Sendable {
    /// The answer of one request.
    public typealias Outputs = [NamedTensor]

    private struct State {
        var queue: BatchQueue<InferenceRequest>
        var waiters: [UInt64: Waiter] = [:]
        var nextID: UInt64 = 0
        /// Requests between getting an id and being queued, with whether they were cancelled in between.
        var arriving: [UInt64: Bool] = [:]
        var isStopped = false
    }

    private struct Waiter {
        let continuation: CheckedContinuation<Outputs, any Error>
        let deadline: WallTime?
    }

    /// How often deadlines are looked at; the precision of a 504.
    static let deadlineInterval = Duration.milliseconds(20)

    /// The model.
    public let backend: any ModelBackend
    /// How it batches.
    public let configuration: EngineConfiguration
    private let time: any TimeSource
    private let observer: (any InferenceObserver)?
    private let monitor: Monitor<State>

    /// An engine for `backend`; nothing runs before `run()`.
    public init(
        backend: any ModelBackend,
        configuration: EngineConfiguration = EngineConfiguration(),
        time: any TimeSource,
        observer: (any InferenceObserver)? = nil
    ) {
        self.backend = backend
        self.configuration = configuration
        self.time = time
        self.observer = observer
        monitor = Monitor(State(queue: BatchQueue(capacity: configuration.maximumQueueLength)))
    }

    /// The number of requests that wait for a thread.
    public var queueLength: Int { monitor.withLock { $0.queue.count } }

    /// Runs batches until the task is cancelled or `stop()` is called.
    public func run() async {
        await withTaskCancellationHandler {
            async let _: Void = watchDeadlines()
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<configuration.workers {
                    group.addTask { try? await BlockingThread.run(named: "inference-\(index)") { self.work() } }
                }
            }
        } onCancel: {
            stop()
        }
    }

    /// Ends `run()` after the batches that are running; queued requests are refused.
    public func stop() {
        let dropped = monitor.withLock { state -> [Waiter] in
            state.isStopped = true
            var dropped: [Waiter] = []
            while case .run(let items) = state.queue.next(policy: BatchPolicy(), now: WallTime(nanoseconds: .max)) {
                dropped += items.compactMap { state.waiters.removeValue(forKey: $0.entry.id) }
            }
            return dropped
        }
        monitor.broadcast()
        for waiter in dropped { waiter.continuation.resume(throwing: Self.stopped) }
    }

    /// Answers one request.
    /// - Throws: `InferenceError`: `.invalidInput`, `.queueFull` at once, `.deadlineExceeded`, `.unavailable`,
    ///   `.runFailed`; `CancellationError`.
    public func infer(_ request: InferenceRequest) async throws -> Outputs {
        let signature = backend.signature
        let sharesRuns = configuration.policy.maximumSize > 1
        let rows = try signature.validate(inputs: request.inputs, sharesRuns: sharesRuns)
        var request = request
        request.outputs = try signature.resolve(outputs: request.outputs)
        let key = sharesRuns && signature.isBatched ? BatchKey(inputs: request.inputs, outputs: request.outputs) : nil
        let id = monitor.withLock { state in
            state.nextID += 1
            state.arriving[state.nextID] = false
            return state.nextID
        }
        let entry = BatchEntry(id: id, key: key, rows: rows, enqueuedAt: time.now())
        let complete = request
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                enqueue(complete, entry: entry, waiter: Waiter(continuation: continuation, deadline: complete.deadline))
            }
        } onCancel: {
            cancel(id: id)
        }
    }

    private static let stopped = InferenceError(.unavailable, "the server is stopping; send the request again")

    private func enqueue(_ request: InferenceRequest, entry: BatchEntry, waiter: Waiter) {
        let refusal = monitor.withLock { state -> (any Error)? in
            if state.arriving.removeValue(forKey: entry.id) == true { return CancellationError() }
            if state.isStopped { return Self.stopped }
            guard state.queue.append(request, entry: entry) else {
                return InferenceError(
                    .queueFull,
                    "the queue is full (\(state.queue.capacity) requests wait); try again later"
                )
            }
            state.waiters[entry.id] = waiter
            return nil
        }
        if let refusal { return waiter.continuation.resume(throwing: refusal) }
        monitor.signal()
    }

    private func cancel(id: UInt64) {
        let waiter = monitor.withLock { state -> Waiter? in
            if state.arriving[id] != nil {
                state.arriving[id] = true
                return nil
            }
            _ = state.queue.remove(id: id)
            return state.waiters.removeValue(forKey: id)
        }
        waiter?.continuation.resume(throwing: CancellationError())
    }
}

extension InferenceEngine {
    /// The body of one thread.
    private func work() {
        while let batch = nextBatch() {
            let start = time.now()
            var answers = answer(batch.map(\.payload), rows: batch.map(\.entry.rows))
            observer?.batchEnded(
                requests: batch.count,
                rows: batch.reduce(0) { $0 + $1.entry.rows },
                duration: time.now() - start
            )
            let waiters = monitor.withLock { state in
                batch.map { state.waiters.removeValue(forKey: $0.entry.id) }
            }
            for waiter in waiters.reversed() {
                guard let answer = answers.popLast() else { continue }
                waiter?.continuation.resume(with: answer.mapError { $0 })
            }
        }
    }

    /// Blocks until there is a batch; `nil` when the engine has stopped.
    private func nextBatch() -> [BatchQueue<InferenceRequest>.Item]? {
        let (batch, leavesMore) = monitor.await {
            state -> Monitor<State>.Step<([BatchQueue<InferenceRequest>.Item]?, Bool)> in
            if state.isStopped { return .done((nil, false)) }
            let now = time.now()
            switch state.queue.next(policy: configuration.policy, now: now) {
            case .idle: return .wait(nil)
            case .wait(let deadline): return .wait(deadline - now)
            case .run(let items): return .done((items, state.queue.count > 0))
            }
        }
        // The signal for those that are left may have come to this thread, which is busy from now on.
        if leavesMore { monitor.signal() }
        return batch
    }

    /// One answer a request, in order. Where a batch fails, its requests run one by one: one bad request must not fail
    /// those that happen to share its batch.
    private func answer(_ requests: [InferenceRequest], rows: [Int]) -> [Result<Outputs, InferenceError>] {
        if requests.count > 1, let together = try? runTogether(requests, rows: rows) {
            return together.map { .success($0) }
        }
        return requests.map { request in
            Result { () throws(InferenceError) in try backend.run(request.inputs, outputs: request.outputs) }
        }
    }

    /// Runs the rows of all requests at once; `nil` when an output can't be divided by rows.
    private func runTogether(_ requests: [InferenceRequest], rows: [Int]) throws -> [Outputs]? {
        guard let first = requests.first else { return nil }
        let joined = try first.inputs.map { input in
            let parts = requests.compactMap { request in
                request.inputs.first { $0.name == input.name }?.tensor
            }
            return NamedTensor(name: input.name, tensor: try Tensor.joining(parts))
        }
        let outputs = try backend.run(joined, outputs: first.outputs)
        let total = rows.reduce(0, +)
        guard outputs.allSatisfy({ $0.tensor.shape.first == total }) else { return nil }
        var start = 0
        var divided: [Outputs] = []
        for count in rows {
            let part = outputs.compactMap { output in
                output.tensor.rows(start..<start + count).map { NamedTensor(name: output.name, tensor: $0) }
            }
            guard part.count == outputs.count else { return nil }
            divided.append(part)
            start += count
        }
        return divided
    }

    /// Answers requests whose deadline has passed, until cancelled or stopped.
    private func watchDeadlines() async {
        while (try? await time.sleep(for: Self.deadlineInterval)) != nil {
            let now = time.now()
            let (late, isStopped) = monitor.withLock { state -> ([Waiter], Bool) in
                let late = state.waiters.filter { $0.value.deadline.map { $0 <= now } ?? false }
                for id in late.keys {
                    state.waiters[id] = nil
                    _ = state.queue.remove(id: id)
                }
                return (Array(late.values), state.isStopped)
            }
            for waiter in late {
                waiter.continuation.resume(
                    throwing: InferenceError(.deadlineExceeded, "no answer within the request's time limit")
                )
            }
            if isStopped { return }
        }
    }
}
