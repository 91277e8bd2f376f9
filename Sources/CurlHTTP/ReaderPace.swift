// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// Decides how long the loop waits for readers that are behind, before it takes more from its connections.
///
/// | the readers | the loop |
/// | --- | --- |
/// | have less than half of what they had | goes on |
/// | read, within `longestWait` | waits |
/// | read, for longer | goes on for a round, since what else runs on the connection waits, too |
/// | stood still for `standstill` | goes on: such a reader may wait for an answer that only the loop can bring |
struct ReaderPace {
    /// How long a reader may take no byte and still count as reading: it may be at work on what it took.
    static let standstill = Duration.milliseconds(200)
    /// The longest wait of a round; below the time limits of requests and the renewal of leases (10 s).
    static let longestWait = Duration.seconds(2)

    /// Whether the last wait ended because the readers stood still.
    private(set) var stoodStill = false
    private let started: WallTime
    private var atFirst: Int?
    private var last = 0
    private var lastProgress: WallTime

    /// A wait that begins now.
    init(now: WallTime) {
        started = now
        lastProgress = now
    }

    /// Whether to wait on, given the bytes that each reader has not read yet.
    mutating func waits(for unread: [Int], now: WallTime) -> Bool {
        let sum = unread.reduce(0, +)
        guard let first = atFirst else {
            (atFirst, last) = (sum, sum)
            return sum > 0
        }
        if sum < last { lastProgress = now }
        last = sum
        guard sum > first / 2 else { return false }
        stoodStill = now - lastProgress >= Self.standstill
        return !stoodStill && now - started < Self.longestWait
    }
}
