// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Synchronization

/// What happened in a simulated world, line by line, with virtual times.
public final class SimTrace: Sendable {
    private let lines = Mutex<[String]>([])
    private let scheduler: SimScheduler

    /// An empty trace of `scheduler`'s world.
    public init(_ scheduler: SimScheduler) { self.scheduler = scheduler }

    /// Adds a line; `actor` is who did it.
    public func note(_ actor: String, _ what: String) {
        let line = "\(Self.text(scheduler.now)) \(actor): \(what)"
        lines.withLock { $0.append(line) }
    }

    /// All lines.
    public var all: [String] { lines.withLock { $0 } }

    /// A time as minutes, seconds and milliseconds: `07:12.345`.
    public static func text(_ time: Duration) -> String {
        let (seconds, attoseconds) = time.components
        func padded(_ number: Int64, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return padded(seconds / 60, 2) + ":" + padded(seconds % 60, 2) + "."
            + padded(attoseconds / 1_000_000_000_000_000, 3)
    }
}
