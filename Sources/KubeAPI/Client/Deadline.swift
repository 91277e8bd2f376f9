// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// A deadline passed before the work was done.
public struct DeadlinePassed: Error, Hashable, CustomStringConvertible {
    /// How long the work was allowed to take.
    public var limit: Duration

    /// Says the limit.
    public var description: String { "no answer within \(limit)" }
}

extension TimeSource {
    /// Does `work`, and cancels it when `limit` passes first.
    /// - Throws: `DeadlinePassed`; what `work` throws.
    public func withDeadline<Result: Sendable>(
        _ limit: Duration,
        _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await self.sleep(for: limit)
                throw DeadlinePassed(limit: limit)
            }
            defer { group.cancelAll() }
            guard let result = try await group.next() else { throw CancellationError() }
            return result
        }
    }
}
