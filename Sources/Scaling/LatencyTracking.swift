// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How a latency objective becomes a replica count: proportional, damped, and only where there is traffic.
///
/// Latency isn't proportional to replicas, so half of the distance is taken at a time and at most double the count;
/// below half of the objective one replica at a time may go. Another target that needs more wins over it.
///
/// | percentile / objective | replicas loading | answer for n current replicas |
/// | --- | --- | --- |
/// | missing | any | none: hold |
/// | no request ended | any | 0; the bounds make `minReplicas` of it |
/// | above 1.1 | none | ceil(n x (1 + (min(ratio, 3) - 1) / 2)): 1.5 gives 1.25 n, 3 and more give 2 n |
/// | above 1.1 | some | n: the answer to this surge is on its way |
/// | 0.5 to 1.1 | any | n |
/// | below 0.5 | any | n - 1 |
struct LatencyTracking {
    /// The objective.
    let objective: LatencyObjective
    /// The relative distance that is close enough.
    let tolerance: Double

    /// What the objective asks for.
    func proposal(_ observation: ScaleObservation) -> ScaleProposal {
        let name = "p\(TargetTracking.text(objective.percentile)) latency"
        let current = observation.replicas
        guard let reading = observation.latency, reading.reporting > 0, objective.milliseconds > 0 else {
            let why = observation.readyReplicas == 0 ? "no replica is ready" : "no ready replica reports it"
            return proposal(nil, nil, nil, incomplete: true, "\(name) is missing: \(why)")
        }
        let missing = observation.readyReplicas > reading.reporting
        guard let milliseconds = reading.milliseconds, milliseconds.isFinite, reading.requestRate > 0 else {
            return proposal(missing ? current : 0, nil, reading.age, incomplete: missing, "\(name): no traffic")
        }
        let ratio = milliseconds / objective.milliseconds
        let head =
            "\(name) is \(TargetTracking.text(milliseconds)) ms, objective "
            + "\(TargetTracking.text(objective.milliseconds)) ms: "
        if ratio > 1 + tolerance {
            guard observation.loadingReplicas == 0 else {
                let note = head + "wait for \(observation.loadingReplicas) replicas that are loading"
                return proposal(current, milliseconds, reading.age, incomplete: missing, note)
            }
            let factor = 1 + (min(ratio, 3) - 1) / 2
            let needed = max(current, TargetTracking.count(Double(current) * factor))
            return proposal(needed, milliseconds, reading.age, incomplete: missing, head + "needs \(needed)")
        }
        if ratio < 0.5, !missing {
            let fewer = max(0, current - 1)
            return proposal(fewer, milliseconds, reading.age, incomplete: false, head + "one replica may go")
        }
        return proposal(current, milliseconds, reading.age, incomplete: missing, head + "close enough")
    }

    private func proposal(
        _ replicas: Int?,
        _ value: Double?,
        _ age: Duration?,
        incomplete: Bool,
        _ note: String
    ) -> ScaleProposal {
        ScaleProposal(
            source: "Latency",
            replicas: replicas,
            value: value,
            target: objective.milliseconds,
            age: age,
            isIncomplete: incomplete,
            note: note
        )
    }
}
