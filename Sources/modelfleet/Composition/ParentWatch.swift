// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import ServiceLifecycle

/// Ends the program when whoever started it is gone: its end of the standard input closes.
///
/// A parent that starts this program with a pipe as its standard input can therefore die in any way, also by SIGKILL,
/// and leave nothing behind.
struct ParentWatch: Service {
    /// Returns, and thereby shuts the group down, when the standard input ends.
    func run() async throws {
        let ended = AsyncStream<Void> { continuation in
            let input = FileHandle.standardInput
            input.readabilityHandler = { handle in
                if handle.availableData.isEmpty { continuation.finish() }
            }
            continuation.onTermination = { _ in input.readabilityHandler = nil }
        }
        for await _ in ended.cancelOnGracefulShutdown() {}
    }
}
