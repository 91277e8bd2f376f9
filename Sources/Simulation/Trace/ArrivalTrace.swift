// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A recorded load, as it stands in a file.
public struct ArrivalTrace: Sendable, Hashable {
    /// What a row is.
    public enum Rows: Sendable, Hashable {
        /// The time of one request in seconds since the first one, ascending.
        case times([Double])
        /// The number of requests in one interval.
        case counts([Double])
        /// Requests a second in one interval, and the coefficient of variation of the gaps.
        case rates([Double], variation: Double)
    }

    /// A name for reports.
    public var name: String
    /// The rows.
    public var rows: Rows
    /// The length of an interval in seconds; for times, the resolution of the recording (0 for exact).
    public var binSeconds: Double

    /// A trace.
    public init(name: String, rows: Rows, binSeconds: Double) {
        self.name = name
        self.rows = rows
        self.binSeconds = binSeconds
    }

    /// The length in seconds.
    public var seconds: Double {
        switch rows {
        case .times(let times): return max(1, (times.last ?? 0).rounded(.up) + max(1, binSeconds))
        case .counts(let counts): return Double(counts.count) * binSeconds
        case .rates(let rates, _): return Double(rates.count) * binSeconds
        }
    }

    /// The number of requests.
    public var requests: Double {
        switch rows {
        case .times(let times): return Double(times.count)
        case .counts(let counts): return counts.reduce(0, +)
        case .rates(let rates, _): return rates.reduce(0, +) * binSeconds
        }
    }

    /// Requests a second.
    public var meanRate: Double { requests / max(seconds, 1e-9) }

    /// The part from `start` on, `length` seconds long; whole intervals only.
    public func sliced(from start: Double, length: Double) -> ArrivalTrace {
        var slice = self
        switch rows {
        case .times(let times):
            slice.rows = .times(times.filter { $0 >= start && $0 < start + length }.map { $0 - start })
        case .counts(let counts): slice.rows = .counts(Array(counts[bins(counts.count, start, length)]))
        case .rates(let rates, let variation):
            slice.rows = .rates(Array(rates[bins(rates.count, start, length)]), variation: variation)
        }
        return slice
    }

    private func bins(_ count: Int, _ start: Double, _ length: Double) -> Range<Int> {
        let low = min(count, max(0, Int(start / binSeconds)))
        return low..<min(count, low + max(0, Int((length / binSeconds).rounded())))
    }

    /// What to replay, with the whole load multiplied by `factor`.
    ///
    /// Less load means that each request is kept with that chance. More load multiplies what happened in each second, which
    /// keeps the shape of bursts and overstates their size; above a factor of 20, and for intervals of more than a second,
    /// it is a Poisson process at the rate of the interval (of the minute, for one-second counts).
    public func plan(scaledBy factor: Double = 1, seed: UInt64 = 1) -> ArrivalPlan {
        var random = FastRandom(seed: seed, stream: 5)
        switch rows {
        case .times(let times):
            let spread = binSeconds
            let moved = spread > 0 ? times.map { $0 + random.unit() * spread }.sorted() : times
            if factor <= 1 {
                let kept = factor == 1 ? moved : moved.filter { _ in random.unit() < factor }
                return .times(kept.map { Int64($0 * 1e6) }, seconds: seconds)
            }
            var counts = Array(repeating: 0.0, count: max(1, Int(seconds.rounded(.up))))
            for time in moved { counts[min(counts.count - 1, max(0, Int(time)))] += 1 }
            return Self.multiplied(counts, by: factor, &random)
        case .counts(let counts) where binSeconds == 1:
            return Self.multiplied(counts, by: factor, &random)
        case .counts(let counts):
            return .rates(counts.map { $0 * factor / binSeconds }, binSeconds: binSeconds, variation: 1)
        case .rates(let rates, let variation):
            return .rates(rates.map { $0 * factor }, binSeconds: binSeconds, variation: variation)
        }
    }

    private static func multiplied(_ counts: [Double], by factor: Double, _ random: inout FastRandom) -> ArrivalPlan {
        if factor < 1 {
            return .counts(counts.map { UInt32(clamping: random.thinned(Int(min($0, 1e8)), share: factor)) })
        }
        if factor <= 20 {
            return .counts(counts.map { UInt32(clamping: random.rounded($0 * factor)) })
        }
        // A second has the rate of its minute; the last minute may be a short one.
        var rates: [Double] = []
        rates.reserveCapacity(counts.count)
        for start in stride(from: 0, to: counts.count, by: 60) {
            let minute = counts[start..<min(start + 60, counts.count)]
            let rate = minute.reduce(0, +) / Double(minute.count) * factor
            rates.append(contentsOf: repeatElement(rate, count: minute.count))
        }
        return .rates(rates, binSeconds: 1, variation: 1)
    }
}
