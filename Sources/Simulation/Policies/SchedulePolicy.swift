// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A schedule that is known beforehand: a fixed count, or what the oracle computed.
public struct SchedulePolicy: FleetPolicy {
    /// The name in reports.
    public let name: String
    /// It acts on every step of its schedule.
    public let timing: PolicyTiming
    private let counts: [Int]
    private let stepSeconds: Double
    private let leadSeconds: Double

    /// `counts[i]` replicas shall be ready from `i * stepSeconds` on; each rise is asked for `leadSeconds` before.
    public init(name: String, counts: [Int], stepSeconds: Double, leadSeconds: Double) {
        self.name = name
        self.counts = counts
        self.stepSeconds = max(0.05, stepSeconds)
        self.leadSeconds = leadSeconds
        timing = PolicyTiming(scrapeSeconds: 3600, decisionSeconds: max(0.05, stepSeconds / 2))
    }

    /// A fixed count.
    public init(fixed count: Int) {
        self.init(name: "static-\(count)", counts: [count], stepSeconds: 3600, leadSeconds: 0)
    }

    /// It doesn't look.
    public mutating func observe(_ view: FleetView) {}

    /// The largest count from now until one lead later.
    public mutating func decide(_ view: FleetView) -> Int? {
        guard let last = counts.indices.last else { return nil }
        let from = min(last, Int(view.seconds / stepSeconds))
        let until = min(last, Int((view.seconds + leadSeconds + stepSeconds / 2) / stepSeconds))
        return counts[from...max(from, until)].max()
    }
}
