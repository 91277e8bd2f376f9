// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The arrivals of the last minutes, one entry an observation. Time of which nothing is known doesn't count.
struct ArrivalHistory: Sendable, Hashable {
    /// The longest look back in seconds.
    static let spanSeconds = 600.0
    private static let limit = 1200
    /// Intervals are a little longer and shorter than the time between two observations: less than this many seconds aren't unknown.
    private static let leastGap = 1.0
    /// The spans in which a burst is looked for, in seconds.
    private static let windows = [2.0, 4, 8, 16]
    private var ends: [Double] = []
    private var totals: [Double] = []
    private var head = 0

    /// Adds `count` arrivals in the `seconds` before `end`. Where these begin later than what was added before ended, what was seen until
    /// then goes on to their beginning: it isn't known that nothing arrived.
    mutating func add(_ count: Double, seconds: Double, end: Double) {
        if let last = ends.last {
            let unknown = end - seconds - last
            if unknown > Self.leastGap { for index in ends.indices { ends[index] += unknown } }
        } else {
            ends.append(end - seconds)
            totals.append(0)
        }
        ends.append(end)
        totals.append((totals.last ?? 0) + max(0, count))
        while ends.count - head > 2, ends.count - head > Self.limit || ends[head + 1] < end - Self.spanSeconds {
            head += 1
        }
        if head > Self.limit {
            ends.removeFirst(head)
            totals.removeFirst(head)
            head = 0
        }
    }

    /// Nothing arrived until `end`: there was no replica that could have been asked.
    mutating func rest(until end: Double) {
        guard let last = ends.last, end > last else { return }
        add(0, seconds: end - last, end: end)
    }

    /// How many seconds there are.
    var span: Double { ends.isEmpty ? 0 : ends[ends.count - 1] - ends[head] }

    /// The arrivals of the last `seconds`, at least one entry, and how many seconds these really are.
    func recent(_ seconds: Double) -> (count: Double, seconds: Double) {
        guard let end = ends.last, let total = totals.last, ends.count - head > 1 else { return (0, 0) }
        var low = head
        var high = ends.count - 2
        // The newest entry that is at least `seconds` old.
        while low < high {
            let middle = (low + high + 1) / 2
            if ends[middle] <= end - seconds + 1e-6 { low = middle } else { high = middle - 1 }
        }
        return (total - totals[low], end - ends[low])
    }

    /// Arrivals a second over the last `seconds`; 0 without data.
    func rate(_ seconds: Double) -> Double {
        let (count, length) = recent(seconds)
        return length > 0 ? count / length : 0
    }

    /// The rate that has to be served so that nobody waits longer than `slack`: the largest over windows of up to 16 s of
    /// what arrived in the window, to be served within the window and the slack.
    func burstRate(slack: Double) -> Double {
        var rate = 0.0
        for window in Self.windows {
            let (count, length) = recent(window)
            if length > 0 { rate = max(rate, count / (length + slack)) }
        }
        return rate
    }

    /// The rate that the load has reached for sure: over windows of up to 16 s, the largest that is left when two standard
    /// deviations of a count with this index of dispersion are taken off.
    ///
    /// Two seconds of a clumpy load say little about the next minute; the same two seconds of a smooth one say much.
    func provenRate(dispersion: Double) -> Double {
        var rate = 0.0
        for window in Self.windows {
            let (count, length) = recent(window)
            guard length > 0 else { continue }
            rate = max(rate, (count - 2 * (max(1, dispersion) * count).squareRoot()) / length)
        }
        return rate
    }

    /// The index of dispersion of counts: their variance over their mean, over the last 5 minutes; 1 for a Poisson process.
    func dispersion() -> Double {
        guard let end = ends.last else { return 1 }
        var counts: [Double] = []
        var index = ends.count - 1
        while index > head, ends[index] > end - 300 {
            counts.append(totals[index] - totals[index - 1])
            index -= 1
        }
        guard counts.count >= 10 else { return 1 }
        let mean = counts.reduce(0, +) / Double(counts.count)
        guard mean > 0 else { return 1 }
        // Differences of neighbours, so that a slow change of the rate isn't taken for noise.
        var squares = 0.0
        for index in 1..<counts.count {
            let step = counts[index] - counts[index - 1]
            squares += step * step
        }
        return squares / 2 / Double(counts.count - 1) / mean
    }
}
