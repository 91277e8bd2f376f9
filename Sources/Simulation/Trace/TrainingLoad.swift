// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The kinds of load that a policy's constants are chosen on, so that recorded traces are left to check them.
///
/// Each kind makes as many different loads as there are seeds. All last six hours in intervals of 10 s and ask for about 40
/// requests a second on average, unless the kind says otherwise.
public enum TrainingLoad: String, Sendable, Hashable, CaseIterable {
    /// The same rate all the time.
    case poisson
    /// Two to four rates up to twelve times apart; each lasts for an exponential time with a mean of 1 to 20 minutes.
    case markovModulated = "markov-modulated"
    /// Steps to levels between 10 and 100, each 2 to 60 minutes long.
    case steps
    /// Straight climbs and falls between levels of 10 and 100, each 2 to 60 minutes long.
    case ramps
    /// Three sines with periods of 5 to 240 minutes.
    case sines
    /// Crowds of 2 to 12 times the usual load every hour or so, which arrive within 0 to 5 minutes and fade with a half-life of
    /// 1 to 20 minutes.
    case flashCrowds = "flash-crowds"
    /// Twenty sources whose on and off times have a heavy tail (Pareto, exponent 1.5): self-similar in sum.
    case onOff = "on-off"
    /// A quarter to two requests a second.
    case lowRate = "low-rate"
    /// A steady rate whose requests come in clumps: gaps with a coefficient of variation of 2 to 4.
    case batches
    /// A day with a night, a morning and an evening peak, and noise.
    case daily
    /// Small counts of 2 to 6 minutes each, scaled up: a new level each time, hardly like the one before, and seldom one of 3
    /// to 30 times.
    case restless

    /// The load of this kind that `seed` gives.
    public func trace(seed: UInt64) -> ArrivalTrace {
        let kind = UInt64(Self.allCases.firstIndex(of: self) ?? 0)
        var random = FastRandom(seed: seed, stream: 1 + kind)
        let slots = self == .daily ? 8640 : 2160
        var variation = 1.0
        let rates: [Double]
        switch self {
        case .poisson: rates = Array(repeating: 40, count: slots)
        case .lowRate: rates = Array(repeating: random.between(0.25, 2), count: slots)
        case .batches:
            variation = random.between(2, 4)
            rates = Array(repeating: 40, count: slots)
        case .markovModulated: rates = Self.states(slots, &random)
        case .steps: rates = Self.levels(slots, sloped: false, &random)
        case .ramps: rates = Self.levels(slots, sloped: true, &random)
        case .sines: rates = Self.waves(slots, &random)
        case .flashCrowds: rates = Self.crowds(slots, &random)
        case .onOff: rates = Self.sources(slots, &random)
        case .daily: rates = Self.day(slots, &random)
        case .restless: rates = Self.unrest(slots, &random)
        }
        return ArrivalTrace(name: "\(rawValue)-\(seed)", rows: .rates(rates, variation: variation), binSeconds: 10)
    }

    private static func states(_ slots: Int, _ random: inout FastRandom) -> [Double] {
        let rates = (0..<2 + random.below(3)).map { _ in random.between(10, 120) }
        let mean = random.between(6, 120)
        var state = 0
        var left = 0.0
        return (0..<slots).map { _ in
            if left <= 0 {
                state = (state + 1 + random.below(rates.count - 1)) % rates.count
                left = mean * random.exponentialGap()
            }
            left -= 1
            return rates[state]
        }
    }

    private static func levels(_ slots: Int, sloped: Bool, _ random: inout FastRandom) -> [Double] {
        var rates: [Double] = []
        var level = random.between(10, 100)
        while rates.count < slots {
            let next = random.between(10, 100)
            let length = 12 + random.below(349)
            for slot in 0..<length {
                rates.append(sloped ? level + (next - level) * Double(slot) / Double(length) : next)
            }
            level = next
        }
        return Array(rates.prefix(slots))
    }

    private static func waves(_ slots: Int, _ random: inout FastRandom) -> [Double] {
        let parts = (0..<3).map { _ in
            (period: random.between(30, 1440), phase: random.unit(), height: random.between(2, 12))
        }
        return (0..<slots).map { slot in
            parts.reduce(40) { $0 + $1.height * sine(2 * .pi * (Double(slot) / $1.period + $1.phase)) }
        }
    }

    private static func crowds(_ slots: Int, _ random: inout FastRandom) -> [Double] {
        var rates = Array(repeating: 30.0, count: slots)
        var start = Int(180 * random.exponentialGap())
        while start < slots {
            let height = 30 * random.between(1, 11)
            let rise = random.between(0, 30)
            let halfLife = random.between(6, 120)
            for slot in start..<slots {
                let since = Double(slot - start)
                let share =
                    since < rise ? since / rise : exponential(-naturalLogarithm(2) * (since - rise) / halfLife)
                rates[slot] += height * share
            }
            start += 1 + Int(360 * random.exponentialGap())
        }
        return rates
    }

    private static func sources(_ slots: Int, _ random: inout FastRandom) -> [Double] {
        var rates = Array(repeating: 0.0, count: slots)
        for _ in 0..<20 {
            var slot = 0
            var isOn = random.below(2) == 0
            while slot < slots {
                // At least a minute; the exponent 1.5 gives a mean of three minutes and no variance.
                let tail = exponential(-naturalLogarithm(max(random.unit(), 0x1p-53)) / 1.5)
                let end = min(slots, slot + Int(min(Double(slots), 6 * tail)))
                if isOn { for busy in slot..<end { rates[busy] += 4 } }
                isOn.toggle()
                slot = end
            }
        }
        return rates
    }

    private static func unrest(_ slots: Int, _ random: inout FastRandom) -> [Double] {
        let length = 12 + random.below(25)
        let shape = random.between(0.7, 6)
        let likeness = random.between(0, 0.7)
        var rates: [Double] = []
        var level = 1.0
        while rates.count < slots {
            level = likeness * level + (1 - likeness) * random.gamma(shape: shape)
            let tail = exponential(-naturalLogarithm(max(random.unit(), 0x1p-53)) / 1.5)
            let burst = random.below(60) == 0 ? min(30, 3 * tail) : 1
            rates += Array(repeating: 40 * level * burst, count: length)
        }
        return Array(rates.prefix(slots))
    }

    private static func day(_ slots: Int, _ random: inout FastRandom) -> [Double] {
        let phase = random.unit()
        let (first, second) = (random.between(10, 30), random.between(4, 12))
        let noise = random.between(10, 100)
        return (0..<slots).map { slot in
            let angle = 2 * .pi * (Double(slot) / Double(slots) + phase)
            return max(1, 44 - first * sine(angle) + second * sine(2 * angle)) * random.gamma(shape: noise)
        }
    }
}

extension FastRandom {
    /// A uniformly distributed number in `low..<high`.
    mutating func between(_ low: Double, _ high: Double) -> Double { low + (high - low) * unit() }
}
