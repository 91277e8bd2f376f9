// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The simple rule: thresholds and fixed factors, for those who know it.
///
/// The factors multiply the replicas that are ready, so that a surge isn't answered again while replicas load. With q and l
/// the queue and the latency over their targets, of n current replicas, k of them ready:
///
/// | q | l | CPU | answer |
/// | --- | --- | --- | --- |
/// | above 1 | any | any | ceil(k × min(q, 2)), never below n |
/// | any | above 1 | any | ceil(k × min(l, 1.5)), never below n; the larger of both counts |
/// | below 0.3 | at most 1, or no request | below 30 % | floor(0.8 n) |
/// | below 0.3 | at most 1, or no request | missing | n: missing CPU never lowers |
/// | missing | at most 1 | any | none: hold |
/// | any | at least a value of at most 1 | any | as at 1, but never below n |
/// | otherwise | | | n |
struct RuleTracking {
    /// The waiting requests per replica that are too many.
    let queueTarget: Double?
    /// The latency that is too much.
    let objective: LatencyObjective?

    /// What queue and latency ask for; one proposal each.
    func proposals(_ observation: ScaleObservation) -> [ScaleProposal] {
        let queue = queueTarget.map { self.queue(observation, target: $0) }
        let latency = objective.map { self.latency(observation, $0) }
        return [queue, latency].compactMap(\.self)
    }

    private func queue(_ observation: ScaleObservation, target: Double) -> ScaleProposal {
        let reading = observation.readings[.queueLength].flatMap { reading in
            reading.total.isFinite && reading.total >= 0 && reading.replicas > 0 ? reading : nil
        }
        guard let reading, target > 0 else {
            return proposal("QueueLength", nil, nil, target, nil, incomplete: true, "the queue length is missing")
        }
        let isPartial = reading.reporting < observation.readyReplicas || reading.reporting == 0
        let value = reading.total / Double(observation.workers(reading))
        let current = observation.replicas
        func answer(_ count: Int, _ note: String) -> ScaleProposal {
            proposal("QueueLength", count, value, target, reading.age, incomplete: isPartial, note)
        }
        if value > target {
            let factor = min(value / target, 2)
            let count = grown(observation, by: factor)
            return answer(count, "× \(TargetTracking.text(factor)) of \(observation.readyReplicas) ready replicas")
        }
        guard value < 0.3 * target else { return answer(current, "between 0.3 of the target and the target: hold") }
        if let objective, isOver(observation, objective) { return answer(current, "latency is over its target: hold") }
        guard let cpu = observation.cpuShare, cpu.isFinite, cpu >= 0 else {
            return answer(current, "under 0.3 of the target, but CPU is missing: hold")
        }
        let percent = TargetTracking.text(cpu * 100)
        guard cpu < 0.3 else { return answer(current, "under 0.3 of the target, but CPU is at \(percent) %: hold") }
        // 1e-9 forgives rounding: 0.8 × 5 is 4 and not 3.9999999999999996.
        let fewer = Int((0.8 * Double(current) + 1e-9).rounded(.down))
        return answer(fewer, "under 0.3 of the target and CPU at \(percent) %: × 0.8")
    }

    private func latency(_ observation: ScaleObservation, _ objective: LatencyObjective) -> ScaleProposal {
        let target = objective.milliseconds
        guard let reading = observation.latency, reading.replicas > 0, target > 0,
            reading.milliseconds.map({ $0.isFinite && $0 >= 0 }) ?? true
        else {
            return proposal("Latency", nil, nil, target, nil, incomplete: true, "the latency is missing")
        }
        let isPartial = reading.reporting < observation.readyReplicas || reading.reporting == 0
        guard isOver(observation, objective), let value = reading.milliseconds else {
            if reading.isLowerBound {
                let note = "no bucket of the histogram ends above the objective, so it may be over: hold"
                let count = observation.replicas
                return proposal("Latency", count, reading.milliseconds, target, reading.age, incomplete: true, note)
            }
            // Latency alone never lowers: the queue decides, where one is mapped.
            let rest = queueTarget == nil ? observation.replicas : 0
            let note = reading.milliseconds == nil ? "no request ended" : "within the objective"
            return proposal("Latency", rest, reading.milliseconds, target, reading.age, incomplete: isPartial, note)
        }
        let factor = min(value / target, 1.5)
        let note = "× \(TargetTracking.text(factor)) of \(observation.readyReplicas) ready replicas"
        let count = grown(observation, by: factor)
        return proposal("Latency", count, value, target, reading.age, incomplete: isPartial, note)
    }

    private func isOver(_ observation: ScaleObservation, _ objective: LatencyObjective) -> Bool {
        guard let value = observation.latency?.milliseconds, value.isFinite else { return false }
        return value > objective.milliseconds
    }

    private func grown(_ observation: ScaleObservation, by factor: Double) -> Int {
        max(observation.replicas, TargetTracking.count(Double(max(1, observation.readyReplicas)) * factor))
    }

    private func proposal(
        _ source: String,
        _ replicas: Int?,
        _ value: Double?,
        _ target: Double,
        _ age: Duration?,
        incomplete: Bool,
        _ note: String
    ) -> ScaleProposal {
        ScaleProposal(
            source: source,
            replicas: replicas,
            value: value,
            target: target,
            age: age,
            isIncomplete: incomplete,
            note: note
        )
    }
}
