// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
public import Scaling

/// This project's target tracking as it runs in the operator: one scrape and one decision every 2 s.
public struct TargetTrackingFleetPolicy: FleetPolicy {
    /// The name in reports.
    public let name = "target-tracking"
    /// `spec.scaling.intervalSeconds`, 2 by default.
    public let timing: PolicyTiming
    /// Latency is one of its signals.
    public let needsLatencies = true
    /// The operator marks the pods with the least in flight by their deletion cost.
    public let removesLeastLoaded = true
    private var autoscaler: Autoscaler
    private var newest: FleetView?
    private var lastCounted = 0
    private var lastSeconds = 0.0
    private var rate = 0.0
    /// The last decision's reason.
    public private(set) var reason = ""

    /// The policy at an interval.
    public init(policy: ScalingPolicy, intervalSeconds: Double = 2) {
        autoscaler = Autoscaler(policy: policy)
        timing = PolicyTiming(everySeconds: intervalSeconds)
    }

    /// Keeps the newest metrics.
    public mutating func observe(_ view: FleetView) {
        let seconds = max(1e-9, view.seconds - lastSeconds)
        rate = Double(view.counted - lastCounted) / seconds
        lastCounted = view.counted
        lastSeconds = view.seconds
        newest = view
    }

    /// Asks the autoscaler.
    public mutating func decide(_ view: FleetView) -> Int? {
        guard let newest else { return nil }
        let time = WallTime(seconds: view.seconds)
        var readings: [Signal: SignalReading] = [:]
        var latency: LatencyReading?
        if view.ready > 0 {
            readings[.queueLength] = SignalReading(total: Double(newest.waiting), reporting: view.ready)
            readings[.inFlight] = SignalReading(total: Double(newest.outstanding), reporting: view.ready)
            readings[.requestRate] = SignalReading(total: rate, reporting: view.ready)
            let percentile = autoscaler.policy.latency?.percentile ?? 95
            latency = LatencyReading(
                milliseconds: newest.latencies?.quantile(percentile / 100).map { $0 * 1000 },
                requestRate: rate,
                reporting: view.ready
            )
        }
        let decision = autoscaler.decide(
            ScaleObservation(
                time: time,
                replicas: view.desired,
                readyReplicas: view.ready,
                readings: readings,
                latency: latency
            )
        )
        autoscaler.didScale(from: decision.current, to: decision.desired, at: time)
        reason = decision.reason.message
        return decision.desired
    }
}
