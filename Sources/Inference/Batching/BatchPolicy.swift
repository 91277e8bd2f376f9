// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// What a request has to share with another to run in one batch with it.
public struct BatchKey: Sendable, Hashable {
    /// One input's part of the key.
    public struct Input: Sendable, Hashable {
        /// The input's name.
        public var name: String
        /// The sizes of the dimensions after the first.
        public var rowShape: [Int]
    }

    /// The inputs' names and row shapes.
    public var inputs: [Input]
    /// The outputs that are wanted.
    public var outputs: [String]

    /// The key of a request.
    public init(inputs: [NamedTensor], outputs: [String]) {
        self.inputs = inputs.map { Input(name: $0.name, rowShape: Array($0.tensor.shape.dropFirst())) }
            .sorted { $0.name < $1.name }
        self.outputs = outputs
    }
}

/// What the policy needs to know of a waiting request.
public struct BatchEntry: Sendable, Hashable {
    /// Identifies the request.
    public var id: UInt64
    /// What it shares with those it may run with; `nil` for a request that runs alone.
    public var key: BatchKey?
    /// The number of rows; at least 1.
    public var rows: Int
    /// When it began to wait.
    public var enqueuedAt: WallTime

    /// An entry.
    public init(id: UInt64, key: BatchKey?, rows: Int, enqueuedAt: WallTime) {
        self.id = id
        self.key = key
        self.rows = rows
        self.enqueuedAt = enqueuedAt
    }
}

/// What to do with the waiting requests.
public enum BatchDecision: Sendable, Hashable {
    /// Nothing waits.
    case idle
    /// The batch may still grow; decide again when a request arrives, and at this time at the latest.
    case wait(until: WallTime)
    /// Run the entries at these positions, in order, together.
    case run(positions: [Int])
}

/// How waiting requests become batches.
///
/// The request that has waited longest leads. Those behind it with the same key join in order, until the next one
/// would make the batch larger than `maximumSize`.
///
/// | the batch | decision |
/// | --- | --- |
/// | no entry | idle |
/// | the leader may not share | run it alone |
/// | `maximumSize` rows or more, or the next of its key doesn't fit | run |
/// | the leader has waited `maximumWait` or longer | run |
/// | otherwise | wait until the leader has waited `maximumWait` |
public struct BatchPolicy: Sendable, Hashable {
    /// The most rows in a batch; a single request with more runs alone. At least 1.
    public var maximumSize: Int
    /// How long the first request of a batch waits for others. Zero batches only what is waiting anyway.
    public var maximumWait: Duration

    /// A policy; sizes below 1 count as 1, negative waits as none.
    public init(maximumSize: Int = 32, maximumWait: Duration = .zero) {
        self.maximumSize = max(1, maximumSize)
        self.maximumWait = max(.zero, maximumWait)
    }

    /// What to do with `entries`, oldest first, at `now`. O(n).
    public func decide(_ entries: some Collection<BatchEntry>, now: WallTime) -> BatchDecision {
        guard let leader = entries.first else { return .idle }
        guard let key = leader.key else { return .run(positions: [0]) }
        var rows = 0
        var positions: [Int] = []
        var isFull = false
        for (position, entry) in entries.enumerated() where entry.key == key {
            if !positions.isEmpty, entry.rows > maximumSize - rows {
                isFull = true
                break
            }
            positions.append(position)
            rows += entry.rows
            if rows >= maximumSize {
                isFull = true
                break
            }
        }
        let deadline = leader.enqueuedAt + maximumWait
        return isFull || now >= deadline ? .run(positions: positions) : .wait(until: deadline)
    }
}
