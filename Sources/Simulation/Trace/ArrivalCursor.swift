// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// When requests arrive: timestamps, or how many in each interval.
public enum ArrivalPlan: Sendable, Hashable {
    /// Microseconds since the start, ascending, and the length in seconds.
    case times([Int64], seconds: Double)
    /// The exact number in each second; inside a second they are spread at random.
    case counts([UInt32])
    /// Requests a second in each interval of `binSeconds`, and the coefficient of variation of the gaps between two
    /// requests: 1 is a Poisson process.
    case rates([Double], binSeconds: Double, variation: Double)

    /// The length in seconds.
    public var seconds: Double {
        switch self {
        case .times(_, let seconds): return seconds
        case .counts(let counts): return Double(counts.count)
        case .rates(let rates, let width, _): return Double(rates.count) * width
        }
    }

    /// The expected number of requests.
    public var requests: Double {
        switch self {
        case .times(let times, _): return Double(times.count)
        case .counts(let counts): return counts.reduce(0) { $0 + Double($1) }
        case .rates(let rates, let width, _): return rates.reduce(0, +) * width
        }
    }

    /// The expected number of requests a second.
    public var meanRate: Double { seconds > 0 ? requests / seconds : 0 }
}

/// Plays a plan: one arrival after the other, without ever holding more than a second of them.
struct ArrivalCursor: Sendable {
    private let plan: ArrivalPlan
    private var random: FastRandom
    private var index = 0
    private var buffer: [Int64] = []
    private var position = 0
    private var clock = 0.0

    /// A cursor at the start.
    init(_ plan: ArrivalPlan, seed: UInt64) {
        self.plan = plan
        random = FastRandom(seed: seed, stream: 1)
    }

    /// The next arrival in microseconds; `Int64.max` at the end.
    mutating func next() -> Int64 {
        switch plan {
        case .times(let times, _):
            guard index < times.count else { return .max }
            index += 1
            return times[index - 1]
        case .counts(let counts):
            while position >= buffer.count {
                guard index < counts.count else { return .max }
                fill(Int(counts[index]), from: Int64(index) * 1_000_000)
                index += 1
            }
            position += 1
            return buffer[position - 1]
        case .rates(let rates, let width, let variation):
            return next(rates, width: width, variation: variation)
        }
    }

    private mutating func fill(_ count: Int, from start: Int64) {
        buffer.removeAll(keepingCapacity: true)
        position = 0
        for _ in 0..<count { buffer.append(start + Int64(random.below(1_000_000))) }
        buffer.sort()
    }

    /// A renewal process in operational time: a gap of mean 1 is used up at the rate of the interval that it crosses.
    private mutating func next(_ rates: [Double], width: Double, variation: Double) -> Int64 {
        let shape = variation > 0 ? 1 / (variation * variation) : 1e6
        var gap = random.gamma(shape: shape)
        while index < rates.count {
            let end = Double(index + 1) * width
            let room = (end - clock) * rates[index]
            if gap < room {
                clock += gap / rates[index]
                return Int64(clock * 1e6)
            }
            gap -= max(0, room)
            clock = end
            index += 1
        }
        return .max
    }
}
