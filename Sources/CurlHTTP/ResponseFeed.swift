// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import DequeModule
import HTTPMessages
import HTTPTypes
import Synchronization

/// What flows from the loop's thread to the one task that waits for a response.
///
/// The thread never waits: it hands over what it has and learns how much is still unread. The reader never blocks the
/// thread: when it has made room after a pause, it sends `resume`.
final class ResponseFeed: Sendable {
    /// The head, with the body when that is already whole.
    struct Head: Sendable {
        /// Status and fields.
        var response: HTTPResponse
        /// The whole body, when the transfer was done as soon as the head was read.
        var wholeBody: [UInt8]?
    }

    /// How a transfer ended.
    enum Ending: Sendable {
        /// The body is complete.
        case finished
        /// It broke.
        case failed(any Error)
    }

    /// How far a reader is.
    struct Progress: Sendable, Equatable {
        /// The bytes that it has taken.
        var taken = 0
        /// The bytes that wait for it.
        var unread = 0
    }

    /// What the loop learns from a delivery.
    struct Receipt: Sendable, Equatable {
        /// How far the reader is.
        var progress: Progress
        /// Whether a paused transfer may go on at once.
        var mayResume: Bool
    }

    fileprivate struct State {
        var head: HTTPResponse?
        var chunks: Deque<[UInt8]> = []
        var progress = Progress()
        var ending: Ending?
        var isProducerPaused = false
        var headWaiter: CheckedContinuation<Head, any Error>?
        var chunkWaiter: CheckedContinuation<[UInt8]?, any Error>?
    }

    /// The transfer's number.
    let id: UInt64
    private let loop: CurlLoop
    private let capacity: Int
    private let state = Mutex(State())

    /// A feed for transfer `id`, which pauses above `capacity` bytes and goes on below half of it.
    init(id: UInt64, loop: CurlLoop, capacity: Int) {
        self.id = id
        self.loop = loop
        self.capacity = max(1, capacity)
    }

    // MARK: The loop's side

    /// Hands over what has arrived since the last delivery.
    func deliver(head: HTTPResponse?, bytes: [UInt8], ending: Ending?, isPaused: Bool) -> Receipt {
        let (receipt, actions) = state.withLock { state -> (Receipt, Wakeups) in
            if state.ending != nil { return (Receipt(progress: Progress(), mayResume: false), Wakeups()) }
            var wakeups = Wakeups()
            if let head { state.head = head }
            state.append(bytes, isAll: ending != nil)
            state.ending = ending
            wakeups.head = state.takeHeadWakeup()
            wakeups.chunk = state.takeChunkWakeup()
            if isPaused { state.isProducerPaused = true }
            let mayResume = state.isProducerPaused && state.progress.unread <= capacity / 2
            if mayResume { state.isProducerPaused = false }
            return (Receipt(progress: state.progress, mayResume: mayResume), wakeups)
        }
        actions.perform()
        return receipt
    }

    /// How far the reader is now.
    var progress: Progress { state.withLock { $0.progress } }

    // MARK: The reader's side

    /// Waits for the head.
    func head() async throws -> Head {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (waiter: CheckedContinuation<Head, any Error>) in
                let wakeup = state.withLock { state -> Wakeup<Head>? in
                    state.headWaiter = waiter
                    return state.takeHeadWakeup()
                }
                wakeup?.perform()
            }
        } onCancel: {
            abandon(CancellationError())
        }
    }

    /// Waits for the next bytes of the body; `nil` at its end. One reader at a time.
    func next() async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (waiter: CheckedContinuation<[UInt8]?, any Error>) in
                let (wakeup, resumes) = state.withLock { state -> (Wakeup<[UInt8]?>?, Bool) in
                    guard state.chunkWaiter == nil else {
                        let error = CurlError(code: .other, message: "a response's body has one reader at a time")
                        return (Wakeup(waiter, .failure(error)), false)
                    }
                    state.chunkWaiter = waiter
                    let wakeup = state.takeChunkWakeup()
                    let resumes = state.isProducerPaused && state.progress.unread <= capacity / 2
                    if resumes { state.isProducerPaused = false }
                    return (wakeup, resumes)
                }
                if resumes { loop.resume(id) }
                wakeup?.perform()
            }
        } onCancel: {
            abandon(CancellationError())
        }
    }

    /// The reader is gone: what comes is thrown away and the transfer is ended.
    func abandon(_ reason: any Error) {
        let (actions, wasRunning) = state.withLock { state -> (Wakeups, Bool) in
            let wasRunning = state.ending == nil
            state.ending = .failed(reason)
            state.chunks = []
            state.progress.unread = 0
            return (Wakeups(head: state.takeHeadWakeup(), chunk: state.takeChunkWakeup()), wasRunning)
        }
        if wasRunning { loop.cancel(id) }
        actions.perform()
    }
}

/// A waiter with what it gets; performed after the lock is let go of.
private struct Wakeup<Value: Sendable>: Sendable {
    let waiter: CheckedContinuation<Value, any Error>
    let result: Result<Value, any Error>

    init(_ waiter: CheckedContinuation<Value, any Error>, _ result: Result<Value, any Error>) {
        self.waiter = waiter
        self.result = result
    }

    func perform() { waiter.resume(with: result) }
}

private struct Wakeups: Sendable {
    var head: Wakeup<ResponseFeed.Head>?
    var chunk: Wakeup<[UInt8]?>?

    func perform() {
        head?.perform()
        chunk?.perform()
    }
}

extension ResponseFeed.State {
    /// The longest chunk of a body that goes on, so that a reader's progress shows while it works through much of it.
    private static let longestChunk = 64 << 10

    fileprivate mutating func append(_ bytes: [UInt8], isAll: Bool) {
        guard !bytes.isEmpty else { return }
        progress.unread += bytes.count
        guard !isAll, bytes.count > Self.longestChunk else { return chunks.append(bytes) }
        for start in stride(from: 0, to: bytes.count, by: Self.longestChunk) {
            chunks.append(Array(bytes[start..<min(bytes.count, start + Self.longestChunk)]))
        }
    }

    fileprivate mutating func takeHeadWakeup() -> Wakeup<ResponseFeed.Head>? {
        guard let waiter = headWaiter else { return nil }
        if case .failed(let error) = ending {
            headWaiter = nil
            return Wakeup(waiter, .failure(error))
        }
        guard let head else {
            guard ending != nil else { return nil }
            headWaiter = nil
            return Wakeup(waiter, .failure(CurlError(code: .protocol, message: "a response ended before its head")))
        }
        headWaiter = nil
        guard case .finished = ending, chunks.count <= 1 else {
            return Wakeup(waiter, .success(ResponseFeed.Head(response: head, wholeBody: nil)))
        }
        return Wakeup(waiter, .success(ResponseFeed.Head(response: head, wholeBody: chunks.popFirst() ?? [])))
    }

    fileprivate mutating func takeChunkWakeup() -> Wakeup<[UInt8]?>? {
        guard let waiter = chunkWaiter else { return nil }
        if let chunk = chunks.popFirst() {
            chunkWaiter = nil
            progress.unread -= chunk.count
            progress.taken += chunk.count
            return Wakeup(waiter, .success(chunk))
        }
        guard let ending else { return nil }
        chunkWaiter = nil
        switch ending {
        case .finished: return Wakeup(waiter, .success(nil))
        case .failed(let error): return Wakeup(waiter, .failure(error))
        }
    }
}

/// The body of a response that is still arriving; may be read once.
struct ResponseBodySequence: AsyncSequence, Sendable {
    typealias Element = [UInt8]

    private let lease: BodyLease

    /// The body behind `feed`.
    init(feed: ResponseFeed, owner: LoopOwner) { lease = BodyLease(feed: feed, owner: owner) }

    /// The one reader; a second one gets an error.
    func makeAsyncIterator() -> Iterator { Iterator(reader: lease.takeReader()) }

    /// Reads the body; letting go of it ends the transfer.
    struct Iterator: AsyncIteratorProtocol {
        fileprivate let reader: BodyReader?

        mutating func next() async throws -> [UInt8]? {
            guard let reader else { throw CurlError(code: .other, message: "a response's body may be read once") }
            return try await reader.feed.next()
        }
    }
}

/// Ends the transfer when the body is let go of unread.
private final class BodyLease: Sendable {
    private let reader: Mutex<BodyReader?>

    init(feed: ResponseFeed, owner: LoopOwner) { reader = Mutex(BodyReader(feed: feed, owner: owner)) }

    func takeReader() -> BodyReader? { reader.withLock { $0.take() } }
}

/// Ends the transfer when the reader is let go of, and keeps the loop alive until then.
private final class BodyReader: Sendable {
    let feed: ResponseFeed
    private let owner: LoopOwner

    init(feed: ResponseFeed, owner: LoopOwner) {
        self.feed = feed
        self.owner = owner
    }

    deinit {
        feed.abandon(CurlError(code: .cancelled, message: "the response's body was let go of before its end"))
    }
}
