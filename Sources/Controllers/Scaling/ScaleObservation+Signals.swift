// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Scaling
import Telemetry

extension ScaleObservation {
    /// What the operator sees of a model, as the autoscaler wants it.
    /// - Parameters:
    ///   - deployment: the Deployment of the serving revision.
    ///   - sinceLast: the time since the last decision; `nil` at the first.
    init(
        _ model: ModelObservation,
        deployment: KubeObject,
        signals: TrackSignals,
        sinceLast: Duration?,
        now: WallTime
    ) {
        let spec = model.model.scaling
        let ready = deployment["status", "readyReplicas"]?.int ?? 0
        // Pods that have just become ready have no page, or not all signals, yet: they count as capacity to come.
        let unread = signals.pending + signals.readOnce(Self.neededKinds(spec))
        self.init(
            time: now,
            replicas: deployment["spec", "replicas"]?.int ?? 1,
            readyReplicas: max(0, ready - unread),
            readings: signals.readings,
            latency: spec.latency.flatMap { Self.latency(signals, percentile: $0.percentile) },
            missing: signals.missing
        )
        isBypassed = model.isBypassed(ModelObservation.revision(of: deployment))
        missingElsewhere = signals.missingElsewhere
        cpuShare = cpuShare(signals, model: model)
        let needed = Self.needed(spec)
        newReplicas = unread + model.unseenPods + signals.newElsewhere(needed)
        unreadReplicas = unread + model.unseenPods + signals.unreadElsewhere(needed)
        unknownSignals = Set(Signal.allCases.filter { Self.isUnknown($0, in: signals) })
        missingSignals = Self.missingSignals(signals, spec: spec)
        if spec.policy == .slo, let objective = model.model.latencyObjective {
            let seconds = sinceLast?.inSeconds ?? Double(spec.intervalSeconds)
            traffic = signals.traffic(seconds: min(60, seconds), objective: objective)
            trafficReporting = traffic == nil ? 0 : signals.trafficReporting
            trafficElsewhere = traffic == nil ? 0 : signals.trafficElsewhere
        }
        wokenAt = model.service?.annotation(FleetAPI.wakeAnnotation).flatMap { WallTime(rfc3339: $0) }
        schedules = ScheduleClock.active(model.model.schedules, at: now)
    }

    /// The signals that the policy follows.
    private static func needed(_ spec: ModelDeployment.ScalingSpec) -> [Signal] {
        spec.policy == .slo ? Signal.allCases : spec.targets.compactMap { Signal(rawValue: $0.signal) }
    }

    /// The same with the latency, where the policy can't do without.
    private static func neededKinds(_ spec: ModelDeployment.ScalingSpec) -> [SignalKind] {
        let needsLatency = spec.policy == .rule && spec.latency != nil
        return needed(spec).map(\.kind) + (needsLatency ? [.latency] : [])
    }

    /// Whether the replicas have a signal that none of them can tell now. One that the runtime doesn't map, or the server
    /// doesn't have, will never be told.
    private static func isUnknown(_ signal: Signal, in signals: TrackSignals) -> Bool {
        let told = signals.readings[signal]?.replicas ?? 0
        guard told == 0, let missing = signals.missingSignals[signal.kind] else { return false }
        switch missing.cause {
        case .notMapped, .notOnPage: return false
        default: return true
        }
    }

    /// What the latency showed; where no request ended, a Prometheus server's total has no quantile, and none is missing.
    private static func latency(_ signals: TrackSignals, percentile: Double) -> LatencyReading? {
        if let reading = signals.latencyReading(percentile: percentile) { return reading }
        guard hasNoDurations(signals), let rate = signals.readings[.requestRate] else { return nil }
        return LatencyReading(
            milliseconds: nil,
            requestRate: 0,
            reporting: rate.reporting,
            elsewhere: rate.elsewhere,
            age: rate.age
        )
    }

    /// Whether the latency is NaN, which is what 0/0 gives, because no request ended.
    private static func hasNoDurations(_ signals: TrackSignals) -> Bool {
        guard case .unusable(_, let value)? = signals.missingSignals[.latency]?.cause, value.isNaN else { return false }
        return signals.readings[.requestRate]?.total == 0
    }

    /// CPU seconds a second and replica, over what a replica asked for: its request, else its limit, else one core; `nil`
    /// where one of the replicas that get requests, of whatever track, doesn't show it, since what some take says nothing of the others.
    private func cpuShare(_ signals: TrackSignals, model: ModelObservation) -> Double? {
        guard let reading = signals.cpu, reading.replicas > 0, reading.reporting >= readyReplicas,
            reading.elsewhere >= signals.carryingElsewhere
        else { return nil }
        let resources = model.model.object["spec", "resources"]
        let asked = resources?.at("requests", "cpu") ?? resources?.at("limits", "cpu")
        let cores = asked.flatMap { Quantity($0)?.double }.flatMap { $0 > 0 ? $0 : nil } ?? 1
        return reading.total / Double(workers(reading)) / cores
    }

    /// Why signals that the policy needs are missing: what was looked for, and what the page offers.
    private static func missingSignals(_ signals: TrackSignals, spec: ModelDeployment.ScalingSpec) -> [String] {
        let kinds: [String: SignalKind] = [
            "QueueLength": .queueLength, "InFlight": .inFlight, "RequestRate": .requestRate,
        ]
        var needed = spec.targets.compactMap { kinds[$0.signal] }
        if spec.policy == .slo {
            needed += [.requestRate, .latency]
            // A level that the server doesn't export isn't missed.
            needed += [.queueLength, .inFlight].filter { signals.missingSignals[$0]?.cause != .notMapped }
        }
        if spec.policy == .rule, spec.latency != nil { needed.append(.latency) }
        if hasNoDurations(signals) { needed.removeAll { $0 == .latency } }
        var clauses: [String] = []
        for kind in SignalKind.allCases where needed.contains(kind) {
            guard let missing = signals.missingSignals[kind], missing.cause != .firstReading else { continue }
            // SLO can do without durations: the objective isn't watched then, and the queue model still holds.
            clauses.append(missing.description)
        }
        return clauses
    }
}
