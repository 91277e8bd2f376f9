// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// The clock of one machine in a simulated world: the world's time plus an offset of its own.
///
/// A machine whose clock was stepped shows it as `SystemTime` does: only to processes that start afterwards.
public struct SimClock: TimeSource {
    /// The wall time at which worlds begin: 2026-01-01T00:00:00Z.
    public static let origin = WallTime(nanoseconds: 1_767_225_600_000_000_000)

    private let scheduler: SimScheduler
    private let offset: Duration

    /// A clock of `scheduler`'s world that is `offset` ahead.
    public init(_ scheduler: SimScheduler, offset: Duration = .zero) {
        self.scheduler = scheduler
        self.offset = offset
    }

    /// The time now.
    public func now() -> WallTime { Self.origin + scheduler.now + offset }

    /// Sleeps until the world's time has passed.
    public func sleep(for duration: Duration) async throws { try await scheduler.sleep(for: duration) }
}
