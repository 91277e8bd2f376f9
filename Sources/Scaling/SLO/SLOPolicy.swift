// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What the SLO policy shall keep, and within which bounds.
public struct SLOPolicy: Sendable, Hashable {
    /// The latency to keep.
    public var objective: LatencyObjective
    /// The fewest replicas.
    public var minReplicas: Int
    /// The most replicas.
    public var maxReplicas: Int
    /// What a late request costs, as a multiple of what it costs to serve one: the knob between cost and safety, 0.1 to
    /// 10,000. The default is 2.5 over the share that may be late: 50 for the 95th percentile, 250 for the 99th.
    public var latePrice: Double
    /// What is assumed for the cold start until one has been seen, in seconds.
    public var coldStartSeconds: Double
    /// How long a surplus is kept, as a multiple of the cold start: 1 is the break-even of keeping against starting anew.
    public var holdFactor: Double

    /// A policy; bounds in the wrong order are put right in favour of `minReplicas`.
    public init(
        objective: LatencyObjective,
        minReplicas: Int = 1,
        maxReplicas: Int,
        latePrice: Double? = nil,
        coldStartSeconds: Double = 60,
        holdFactor: Double = 1
    ) {
        self.objective = objective
        self.minReplicas = max(0, minReplicas)
        self.maxReplicas = max(self.minReplicas, maxReplicas)
        let share = min(0.99, max(0.001, 1 - objective.percentile / 100))
        self.latePrice = min(10_000, max(0.1, latePrice ?? objective.latePrice ?? 2.5 / share))
        self.coldStartSeconds = min(3600, max(0.1, coldStartSeconds))
        self.holdFactor = min(20, max(0, holdFactor))
    }

    /// The share of requests that may be late.
    var lateShare: Double { min(0.99, max(0.001, 1 - objective.percentile / 100)) }
}
