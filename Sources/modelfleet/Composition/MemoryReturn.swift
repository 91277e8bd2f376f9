// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Controllers
import ServiceLifecycle

/// Gives freed memory back to the system once a burst of work is over.
///
/// Reading the first lists and reconciling thousands of models leaves holes all over the heap, which glibc keeps: 5 of
/// 64 MiB with 5,000 models.
struct MemoryReturn: Service {
    /// How often the work is looked at.
    private static let interval = Duration.seconds(2)
    /// The reconciles that make a burst.
    private static let burst = 500

    /// What the operator has done and has to do.
    let activity: @Sendable () -> OperatorActivity
    /// The time.
    var time: any TimeSource = SystemTime()

    /// Looks until cancelled or shut down.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            var returnedAt = 0
            while (try? await time.sleep(for: Self.interval)) != nil {
                let now = activity()
                guard now.isSettled, now.reconciles - returnedAt >= Self.burst else { continue }
                FreedMemory.giveBack()
                returnedAt = now.reconciles
            }
        }
    }
}
