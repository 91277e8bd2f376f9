// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// Which of a fixed number of shards an object belongs to: the same in every process, for ever.
public struct ShardMap: Sendable, Hashable {
    /// The number of shards; at least 1.
    public let count: Int

    /// A map to `count` shards.
    public init(count: Int) { self.count = max(1, count) }

    /// The shard of an object, by FNV-1a of `namespace/name`.
    public func shard(of key: ObjectKey) -> Int {
        // The offset basis and the prime of FNV-1a with 64 bits.
        var sum: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in key.description.utf8 { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01b3 }
        // The low bits alone are uneven for names that differ in their last digit.
        sum ^= sum >> 32
        return Int(sum % UInt64(count))
    }
}
