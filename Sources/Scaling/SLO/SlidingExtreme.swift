// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The largest or the smallest value of the last seconds, in constant time a value (a monotonic queue).
struct SlidingExtreme: Sendable, Hashable {
    private let sign: Double
    private var times: [Double] = []
    private var values: [Double] = []
    private var head = 0

    /// Of no value yet.
    init(isLargest: Bool) { sign = isLargest ? 1 : -1 }

    /// The extreme; `nil` before the first value.
    var value: Double? { head < values.count ? values[head] : nil }

    /// Adds a value at the time `now`, which never goes back; those older than `span` seconds are forgotten.
    mutating func add(_ value: Double, now: Double, span: Double) {
        while values.count > head, let last = values.last, last * sign <= value * sign {
            values.removeLast()
            times.removeLast()
        }
        values.append(value)
        times.append(now)
        while times[head] < now - span { head += 1 }
        if head > 64 {
            times.removeFirst(head)
            values.removeFirst(head)
            head = 0
        }
    }
}
