// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import DequeModule
import KubeModel
import Synchronization

/// The bounded queue between the store and one watcher.
///
/// The store puts events in under its own lock and never waits; the watcher takes them out. When the queue is full the
/// watch ends, and its client starts again from the last resource version that it saw.
final class WatchMailbox: Sendable {
    /// What a watcher takes out.
    enum Item: Sendable {
        /// An event.
        case event(ServerEvent)
        /// Nothing more will come.
        case end
    }

    private struct State {
        var waiting: Deque<ServerEvent> = []
        var isClosed = false
        var receiver: CheckedContinuation<Item?, Never>?
    }

    private let state: Mutex<State>
    private let limit: Int
    private let after: Int64
    /// What is watched.
    let selection: WatchSelection

    /// A queue that starts with `initial`, takes changes after the revision `after`, and holds up to `limit` more.
    init(selection: WatchSelection, initial: [ServerEvent], after: Int64, limit: Int) {
        self.selection = selection
        self.after = after
        self.limit = limit + initial.count
        state = Mutex(State(waiting: Deque(initial)))
    }

    /// Adds an event; the queue closes instead when it is full.
    func put(_ event: ServerEvent) {
        if let revision = event.revision, revision <= after { return }
        let receiver = state.withLock { state -> CheckedContinuation<Item?, Never>? in
            guard !state.isClosed else { return nil }
            if let receiver = state.receiver.take() { return receiver }
            if state.waiting.count >= limit {
                state.isClosed = true
            } else {
                state.waiting.append(event)
            }
            return nil
        }
        receiver?.resume(returning: .event(event))
    }

    /// Lets the watcher take what is there, and nothing after it.
    func close() {
        let receiver = state.withLock { state in
            state.isClosed = true
            return state.receiver.take()
        }
        receiver?.resume(returning: .end)
    }

    /// The event that waits first, left in its place.
    var first: ServerEvent? { state.withLock { $0.waiting.first } }

    /// An event that is there already.
    func takeNow() -> Item? {
        state.withLock { state in
            if let event = state.waiting.popFirst() { return .event(event) }
            return state.isClosed ? .end : nil
        }
    }

    /// The next event; `nil` when the task is cancelled first. One receiver at a time.
    func take() async -> Item? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let item = state.withLock { state -> Item?? in
                    if let event = state.waiting.popFirst() { return .some(.event(event)) }
                    if state.isClosed { return .some(.end) }
                    if Task.isCancelled { return .some(nil) }
                    state.receiver = continuation
                    return nil
                }
                if let item { continuation.resume(returning: item) }
            }
        } onCancel: {
            let receiver = state.withLock { $0.receiver.take() }
            receiver?.resume(returning: nil)
        }
    }
}
