// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Where randomness comes from; everything that needs some takes one as an argument.
public protocol RandomSource: Sendable {
    /// 64 uniformly distributed bits.
    func next() -> UInt64
}

extension RandomSource {
    /// A number in `0..<1`, uniformly distributed.
    public func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A random UUID (RFC 9562, version 4) in lower case, as Kubernetes writes `metadata.uid`.
    public func uuid() -> String {
        let high = next() & 0xffff_ffff_ffff_0fff | 0x4000
        let low = next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
        let digits = Array((Self.hex(high) + Self.hex(low)).utf8)
        let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32]
        return groups.map { String(decoding: digits[$0], as: UTF8.self) }.joined(separator: "-")
    }

    /// A random suffix for generated names, of letters and digits that spell no word (as the API server's own).
    public func nameSuffix(length: Int = 5) -> String {
        let alphabet = Array("bcdfghjklmnpqrstvwxz2456789")
        return String((0..<length).map { _ in alphabet[Int(next() % UInt64(alphabet.count))] })
    }

    private static func hex(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }
}

/// The system's random numbers.
public struct SystemRandom: RandomSource {
    /// There is nothing to set up.
    public init() {}

    /// 64 random bits from the system.
    public func next() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}

/// A reproducible source: the same seed gives the same numbers (SplitMix64, Steele et al., OOPSLA 2014).
public final class SeededRandom: RandomSource {
    private let state: Mutex<UInt64>

    /// Starts the sequence of `seed`.
    public init(seed: UInt64) { state = Mutex(seed) }

    /// The next 64 bits of the sequence.
    public func next() -> UInt64 {
        state.withLock { state in
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }
}
