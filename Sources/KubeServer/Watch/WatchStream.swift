// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// The body of a watch response: one JSON line per event, until the time is over or the watcher is too slow.
struct WatchStream: AsyncSequence, Sendable {
    typealias Element = [UInt8]

    /// The events.
    let subscription: WatchSubscription
    /// Where time comes from.
    let time: any TimeSource
    /// When the watch ends; `nil` for never.
    let deadline: WallTime?
    /// How often a bookmark is due; `nil` when the client wants none.
    let bookmarkInterval: Duration?
    /// The resource version that a bookmark of this moment may carry.
    let currentRevision: @Sendable () -> Int64
    /// One event as a line.
    let encode: @Sendable (ServerEvent) -> [UInt8]

    /// When the next bookmark is due: at its interval, and two seconds before the end, as the real server sends them, so
    /// that the next watch resumes from a late version.
    private func nextBookmark(after now: WallTime) -> WallTime? {
        guard let bookmarkInterval else { return nil }
        let regular = now + bookmarkInterval
        guard let last = deadline.map({ $0 - .seconds(2) }), last > now else { return regular }
        return last < regular ? last : regular
    }

    /// Starts reading.
    func makeAsyncIterator() -> Iterator { Iterator(stream: self) }

    /// Reads one watch.
    struct Iterator: AsyncIteratorProtocol {
        private let stream: WatchStream
        private var bookmarkDue: WallTime?
        private var isAtEnd = false

        init(stream: WatchStream) {
            self.stream = stream
            bookmarkDue = stream.nextBookmark(after: stream.time.now())
        }

        /// The lines of the events that have come, at least one; `nil` at the end.
        mutating func next() async throws -> [UInt8]? {
            while !isAtEnd {
                if let line = takeWaiting() { return line }
                if isAtEnd { return nil }
                let now = stream.time.now()
                if let deadline = stream.deadline, now >= deadline { return nil }
                if let line = bookmark(now: now) { return line }
                switch try await wait(now: now) {
                case .event(let event)?: return stream.encode(event)
                case .end?: isAtEnd = true
                case nil: try Task.checkCancellation()
                }
            }
            return nil
        }

        /// Everything that waits, up to a size that keeps one chunk small.
        private mutating func takeWaiting() -> [UInt8]? {
            var lines: [UInt8] = []
            while lines.count < 1 << 16, let item = stream.subscription.mailbox.takeNow() {
                guard case .event(let event) = item else {
                    isAtEnd = true
                    break
                }
                lines += stream.encode(event)
            }
            return lines.isEmpty ? nil : lines
        }

        /// A bookmark when one is due. Its revision is read before the queue is found empty, so nothing is missed.
        private mutating func bookmark(now: WallTime) -> [UInt8]? {
            guard let due = bookmarkDue, now >= due else { return nil }
            let revision = stream.currentRevision()
            if let lines = takeWaiting() { return lines }
            bookmarkDue = stream.nextBookmark(after: now)
            return stream.encode(.bookmark(revision, endsInitialList: false))
        }

        /// Waits for an event or for the next moment at which something is due.
        private func wait(now: WallTime) async throws -> WatchMailbox.Item? {
            let mailbox = stream.subscription.mailbox
            guard let wake = [stream.deadline, bookmarkDue].compactMap({ $0 }).min() else {
                return await mailbox.take()
            }
            let time = stream.time
            return try await withThrowingTaskGroup(of: WatchMailbox.Item?.self) { group in
                group.addTask { await mailbox.take() }
                group.addTask {
                    try await time.sleep(for: wake - now)
                    return nil
                }
                let first = try await group.next() ?? nil
                group.cancelAll()
                guard first == nil else { return first }
                // An event that arrived in the same moment was handed to the receiver: it must not be lost.
                while let other = await group.nextResult() {
                    if case .success(let item?) = other { return item }
                }
                return nil
            }
        }
    }
}
