// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

extension ObjectStore {
    private enum Registration { case waiting, synced, cancelled }

    /// Returns once the store has held the whole list.
    /// - Throws: `CancellationError` when the task is cancelled first.
    public func waitUntilSynced() async throws {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let outcome = state.withLock { state -> Registration in
                    if state.cancelledEarly.remove(id) != nil { return .cancelled }
                    if state.isSynced { return .synced }
                    state.waiters[id] = continuation
                    return .waiting
                }
                switch outcome {
                case .waiting: break
                case .synced: continuation.resume()
                case .cancelled: continuation.resume(throwing: CancellationError())
                }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Void, any Error>? in
                if let waiter = state.waiters.removeValue(forKey: id) { return waiter }
                if !state.isSynced { state.cancelledEarly.insert(id) }
                return nil
            }
            waiter?.resume(throwing: CancellationError())
        }
    }
}
