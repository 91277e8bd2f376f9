// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Fast random draws from one seed (SplitMix64, as `SeededRandom`, without its lock).
struct Draws {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func unit() -> Double {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return Double((mixed ^ (mixed >> 31)) >> 11) * 0x1p-53
    }

    /// A standard normal number (Box and Muller).
    mutating func normal() -> Double {
        (-2 * log(max(unit(), 1e-300))).squareRoot() * cos(2 * .pi * unit())
    }

    /// The successes among `trials`, exactly: by waiting times where they are few, by Hörmann's BTRS (1993) otherwise.
    mutating func binomial(_ trials: Int, _ share: Double) -> Int {
        guard trials > 0, share > 0 else { return 0 }
        guard share < 1 else { return trials }
        if share > 0.5 { return trials - binomial(trials, 1 - share) }
        return Double(trials) * share < 12 ? byWaiting(trials, share) : byRejection(trials, share)
    }

    private mutating func byWaiting(_ trials: Int, _ share: Double) -> Int {
        let scale = log1p(-share)
        var (position, successes) = (0.0, 0)
        while true {
            position += (log(max(unit(), 1e-300)) / scale).rounded(.down) + 1
            guard position <= Double(trials) else { return successes }
            successes += 1
        }
    }

    private mutating func byRejection(_ trials: Int, _ share: Double) -> Int {
        let count = Double(trials)
        let spread = (count * share * (1 - share)).squareRoot()
        let b = 1.15 + 2.53 * spread
        let a = -0.0873 + 0.0248 * b + 0.01 * share
        let c = count * share + 0.5
        let alpha = (2.83 + 5.1 / b) * spread
        let mode = ((count + 1) * share).rounded(.down)
        while true {
            let u = unit() - 0.5
            let v = unit()
            let distance = 0.5 - abs(u)
            let found = ((2 * a / distance + b) * u + c).rounded(.down)
            if found < 0 || found > count { continue }
            if distance >= 0.07, v <= 0.92 - 4.2 / b { return Int(found) }
            let left = log(v * alpha / (a / (distance * distance) + b))
            let odds: Double = (mode - found) * log((1 - share) / share)
            let choices: Double = lgamma(mode + 1) + lgamma(count - mode + 1)
            let right: Double = odds + choices - lgamma(found + 1) - lgamma(count - found + 1)
            if left <= right { return Int(found) }
        }
    }
}
