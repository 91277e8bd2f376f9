// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import ServiceLifecycle
internal import Synchronization

/// Does `operation`, and cancels it when the service it belongs to is shut down gracefully.
///
/// As `cancelWhenGracefulShutdown` of ServiceLifecycle, without its unstructured tasks: these would run outside of a
/// task executor, and with them the order of events would not follow from a simulation's seed.
public func cancelOnShutdown<Result: Sendable>(
    _ operation: @escaping @Sendable () async throws -> Result
) async rethrows -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await operation() }
        group.addTask {
            await ShutdownSignal().wait()
            return nil
        }
        let first = try await group.next() ?? nil
        group.cancelAll()
        if let first { return first }
        // The signal came first; the operation ends in its own way.
        while let next = try await group.next() { if let next { return next } }
        preconditionFailure("the operation always returns or throws")
    }
}

/// Waits for a graceful shutdown or for cancellation, whatever comes first.
private final class ShutdownSignal: Sendable {
    private struct State {
        var isOver = false
        var continuation: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func wait() async {
        await withTaskCancellationOrGracefulShutdownHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if !state.isOver { state.continuation = continuation }
                    return state.isOver
                }
                if isOver { continuation.resume() }
            }
        } onCancelOrGracefulShutdown: { [self] in
            let continuation = state.withLock { state in
                state.isOver = true
                return state.continuation.take()
            }
            continuation?.resume()
        }
    }
}
