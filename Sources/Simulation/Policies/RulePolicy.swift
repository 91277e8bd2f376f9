// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The simple rule that many write first: thresholds on queue, latency and CPU, and fixed factors.
///
/// The first line that matches wins: queue over target multiplies by min(q / target, 2); latency over target by
/// min(l / target, 1.5); queue under 0.3 of its target with CPU under 30 % by 0.8; otherwise nothing changes. Every 15 s,
/// over what the interval showed, from the count that is asked for; rounded up when rising and down when falling.
public struct RulePolicy: FleetPolicy {
    /// The name in reports.
    public let name = "rule"
    /// One look and one decision in 15 s.
    public let timing = PolicyTiming(everySeconds: 15)
    /// It looks at a percentile of the interval's latencies.
    public let needsLatencies = true
    /// The waiting requests per ready replica that are too many.
    public let queueTarget: Double
    /// The latency that is too much, in seconds.
    public let latencyTargetSeconds: Double
    /// The percentile of the latencies that is compared with it.
    public let latencyPercentile: Double
    private let concurrency: Double
    private let minReplicas: Int
    private var last: FleetView?
    private var queue = 0.0
    private var latency = 0.0
    private var busy = 0.0

    /// The rule with its two targets, for replicas of `concurrency` slots.
    public init(
        queueTarget: Double,
        latencyTargetSeconds: Double,
        latencyPercentile: Double = 95,
        concurrency: Int,
        minReplicas: Int = 1
    ) {
        // It knows no way from none: the last replica stays.
        self.minReplicas = max(1, minReplicas)
        self.latencyPercentile = latencyPercentile
        self.queueTarget = queueTarget
        self.latencyTargetSeconds = latencyTargetSeconds
        self.concurrency = Double(max(1, concurrency))
    }

    /// Averages the interval that ends now.
    public mutating func observe(_ view: FleetView) {
        defer { last = view }
        let replicaSeconds = max(1e-9, view.readySeconds - (last?.readySeconds ?? 0))
        let waiting = view.waitingSeconds - (last?.waitingSeconds ?? 0)
        let running = view.outstandingSeconds - (last?.outstandingSeconds ?? 0) - waiting
        queue = view.ready == 0 ? Double(view.waiting) : waiting / replicaSeconds
        busy = running / replicaSeconds / concurrency
        latency = view.latencies?.quantile(latencyPercentile / 100) ?? 0
    }

    /// Applies the rule.
    public mutating func decide(_ view: FleetView) -> Int? {
        guard last != nil else { return nil }
        let count = Self.decide(
            replicas: view.desired,
            queue: queue / queueTarget,
            latency: latency / latencyTargetSeconds,
            cpu: busy,
            queueUnderTarget: queue < 0.3 * queueTarget
        )
        return max(minReplicas, count)
    }

    /// The rule: queue and latency as ratios to their targets, `cpu` from 0 to 1.
    static func decide(replicas: Int, queue: Double, latency: Double, cpu: Double, queueUnderTarget: Bool) -> Int {
        let count = Double(replicas)
        if queue > 1 { return Int((max(1, count) * min(queue, 2)).rounded(.up)) }
        if latency > 1 { return Int((max(1, count) * min(latency, 1.5)).rounded(.up)) }
        if queueUnderTarget, cpu < 0.3 { return Int((count * 0.8).rounded(.down)) }
        return replicas
    }
}
