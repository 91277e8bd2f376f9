// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
public import Scaling

/// This project's SLO policy as it runs in the operator: one scrape and one decision every 2 s.
public struct SLOFleetPolicy: FleetPolicy {
    /// The name in reports.
    public let name: String
    /// `spec.scaling.intervalSeconds`, 2 by default.
    public let timing: PolicyTiming
    /// The operator marks the pods with the least in flight by their deletion cost.
    public let removesLeastLoaded = true
    private var autoscaler: SLOAutoscaler
    private var meter = TrafficMeter()
    private var newest: FleetView?
    /// The last decision's reason.
    public private(set) var reason = ""

    /// The policy at an interval.
    public init(name: String = "slo", policy: SLOPolicy, intervalSeconds: Double = 2) {
        self.name = name
        autoscaler = SLOAutoscaler(policy: policy)
        timing = PolicyTiming(everySeconds: intervalSeconds)
    }

    /// Keeps the newest metrics.
    public mutating func observe(_ view: FleetView) { newest = view }

    /// Asks the autoscaler.
    public mutating func decide(_ view: FleetView) -> Int? {
        guard let newest else { return nil }
        let (traffic, coldStart) = meter.read(newest)
        let (decision, _) = autoscaler.decide(
            SLOObservation(
                time: WallTime(seconds: view.seconds),
                replicas: view.desired,
                readyReplicas: view.ready,
                reporting: view.ready,
                traffic: traffic,
                coldStartSeconds: coldStart
            )
        )
        reason = decision.reason.message
        return decision.desired
    }

    /// The first request at zero replicas asks for one at once.
    public mutating func wake(_ view: FleetView) -> Int? { 1 }
}
