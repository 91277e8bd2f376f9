// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Runs blocking work on a thread of its own, so that the threads of Swift's tasks stay free.
enum BlockingThread {
    /// Runs `body` on a new thread and waits for it without blocking. Cancellation doesn't interrupt it.
    static func run<Result: Sendable>(
        named name: String,
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread { continuation.resume(with: Swift.Result { try body() }) }
            thread.name = name
            thread.stackSize = 8 << 20
            thread.start()
        }
    }
}
