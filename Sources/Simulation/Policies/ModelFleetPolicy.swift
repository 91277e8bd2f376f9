// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
public import Scaling

/// What the operator does with a model: its autoscaler with the model's own policy, one scrape and one decision an interval.
public struct ModelFleetPolicy: FleetPolicy {
    /// The name in reports.
    public let name: String
    /// `spec.scaling.intervalSeconds`.
    public let timing: PolicyTiming
    /// Latency is one of its signals.
    public let needsLatencies = true
    /// The operator marks the pods with the least in flight by their deletion cost.
    public let removesLeastLoaded = true
    /// The last decision's reason.
    public private(set) var reason = ""
    private var autoscaler: Autoscaler
    private var meter = TrafficMeter()
    private var newest: FleetView?
    private var lastCounted = 0
    private var lastSeconds = 0.0
    private var rate = 0.0

    /// The operator's autoscaler with `policy`.
    public init(name: String, policy: ScalingPolicy, intervalSeconds: Double) {
        self.name = name
        autoscaler = Autoscaler(policy: policy)
        timing = PolicyTiming(everySeconds: intervalSeconds)
    }

    /// Keeps the newest metrics.
    public mutating func observe(_ view: FleetView) {
        rate = Double(view.counted - lastCounted) / max(1e-9, view.seconds - lastSeconds)
        lastCounted = view.counted
        lastSeconds = view.seconds
        newest = view
    }

    /// Asks the autoscaler.
    public mutating func decide(_ view: FleetView) -> Int? { decide(view, isWoken: false) }

    /// Whoever holds the first request at zero replicas writes the time on the Service, which the operator sees at once.
    public mutating func wake(_ view: FleetView) -> Int? { decide(view, isWoken: true) }

    private mutating func decide(_ view: FleetView, isWoken: Bool) -> Int? {
        guard let newest = newest ?? (isWoken ? view : nil) else { return nil }
        let time = WallTime(seconds: view.seconds)
        var observation = ScaleObservation(time: time, replicas: view.desired, readyReplicas: view.ready)
        if isWoken {
            observation.wokenAt = time
        } else {
            let (traffic, coldStart) = meter.read(newest)
            observation.coldStartSeconds = coldStart
            // Without a replica there is nobody to ask.
            if view.ready > 0 { read(newest, ready: view.ready, traffic, &observation) }
        }
        let decision = autoscaler.decide(observation)
        autoscaler.didScale(from: decision.current, to: decision.desired, at: time)
        reason = decision.reason.message
        return decision.desired
    }

    private func read(_ newest: FleetView, ready: Int, _ traffic: SLOTraffic?, _ observation: inout ScaleObservation) {
        observation.readings = [
            .queueLength: SignalReading(total: Double(newest.waiting), reporting: ready),
            .inFlight: SignalReading(total: Double(newest.outstanding), reporting: ready),
            .requestRate: SignalReading(total: rate, reporting: ready),
        ]
        let percentile = autoscaler.policy.latency?.percentile ?? 95
        observation.latency = LatencyReading(
            milliseconds: newest.latencies?.quantile(percentile / 100).map { $0 * 1000 },
            requestRate: rate,
            reporting: ready
        )
        observation.traffic = traffic
        observation.trafficReporting = traffic == nil ? 0 : ready
    }
}
