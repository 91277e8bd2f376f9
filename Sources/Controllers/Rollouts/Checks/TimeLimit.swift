// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// Does `body` within a time limit, also where what it waits for doesn't keep to one; `nil` when the time is over.
///
/// `body` is cancelled then, and must end soon: it is waited for.
func withTimeLimit<Result: Sendable>(
    _ limit: Duration,
    _ time: any TimeSource,
    _ body: @escaping @Sendable () async -> Result
) async -> Result? {
    await withTaskGroup(of: Result?.self) { group in
        group.addTask { await body() }
        group.addTask {
            try? await time.sleep(for: limit)
            return nil
        }
        let first = await group.next() ?? nil
        group.cancelAll()
        return first
    }
}
