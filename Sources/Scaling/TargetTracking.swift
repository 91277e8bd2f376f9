// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The HPA's rule for a level per replica, with its care for missing and unready pods.
///
/// With `r = total / (target x reporting)`, n current, tolerance 0.1:
///
/// | reporting | missing | loading | r | answer |
/// | --- | --- | --- | --- | --- |
/// | 0 | any | any | - | none: hold; where other tracks show a total, ceil(total / target) or current, the larger |
/// | all | 0 | 0 | 0.9...1.1 | current |
/// | all | 0 | 0 | otherwise | ceil(total / target) |
/// | some | 0 | some | r <= 1 | as without loading replicas |
/// | some | 0 | some | r > 1 | ceil(total / target), never below current: loading replicas are capacity to come |
/// | some | some | any | any | ceil(total / target) or current, the larger: missing replicas never lower |
///
/// Source: `replica_calculator.go` of Kubernetes; it counts an unready or missing pod as 0 when the ratio is above 1.
struct TargetTracking {
    /// The level to hold.
    let target: ScalingTarget
    /// The tolerance for more replicas.
    let toleranceUp: Double
    /// The tolerance for fewer replicas.
    let toleranceDown: Double

    /// What the signal asks for.
    func proposal(_ observation: ScaleObservation) -> ScaleProposal {
        // Less than nothing is no level, either: missing is not zero.
        let reading = observation.readings[target.signal].flatMap { reading in
            reading.total.isFinite && reading.total >= 0 && reading.replicas > 0 ? reading : nil
        }
        guard let reading, target.value > 0 else {
            let why = observation.readyReplicas == 0 ? "no replica is ready" : "no ready replica reports it"
            return ScaleProposal(
                source: target.signal.rawValue,
                replicas: nil,
                value: nil,
                target: target.value,
                age: nil,
                isIncomplete: true,
                note: "\(target.signal.rawValue) is missing: \(why)"
            )
        }
        let missing = max(0, observation.readyReplicas - reading.reporting)
        // This track's replicas are to carry all of it; where it has none, the others do.
        let counted = Self.counted(reading)
        let mean = reading.total / Double(counted)
        let (replicas, how) = replicas(observation, reading: reading, missing: missing)
        return ScaleProposal(
            source: target.signal.rawValue,
            replicas: replicas,
            value: mean,
            target: target.value,
            age: reading.age,
            isIncomplete: missing > 0 || reading.reporting == 0,
            note: "\(target.signal.rawValue) is \(Self.text(mean)) per replica over \(counted), "
                + "target \(Self.text(target.value)): \(how)"
        )
    }

    private func replicas(_ observation: ScaleObservation, reading: SignalReading, missing: Int) -> (Int, String) {
        let current = observation.replicas
        let total = reading.total
        let needed = Self.count(total / target.value)
        guard reading.reporting > 0 else {
            // What doesn't get through to this track is in no total.
            let isEnough = total <= target.value * Double(current) * (1 + toleranceUp)
            return isEnough ? (current, "hold, other tracks carry all of it") : (needed, "needs \(needed)")
        }
        let ratio = total / (target.value * Double(reading.reporting))
        if ratio <= 1 {
            if missing > 0 { return (current, "hold, \(Self.replicas(missing, "ready ")) not reporting") }
            if ratio >= 1 - toleranceDown {
                return (reading.reporting > current ? max(current, needed) : current, "close enough")
            }
            return (needed, "needs \(needed)")
        }
        let counted = reading.reporting + missing + observation.loadingReplicas
        let relieved = total / (target.value * Double(counted))
        if relieved <= 1 + toleranceUp {
            let isComing = observation.loadingReplicas > 0 && ratio > 1 + toleranceUp
            let rest = max(current, reading.reporting > current ? needed : current)
            return (
                rest, isComing ? "enough with \(Self.replicas(observation.loadingReplicas)) loading" : "close enough"
            )
        }
        return (max(current, needed), "needs \(needed)")
    }

    /// `1 replica`, `2 ready replicas`.
    private static func replicas(_ count: Int, _ kind: String = "") -> String {
        "\(count) \(kind)replica\(count == 1 ? "" : "s")"
    }

    /// Over how many replicas the mean is taken.
    static func counted(_ reading: SignalReading) -> Int {
        reading.reporting > 0 ? reading.reporting : reading.elsewhere
    }

    /// The smallest whole number that isn't below `number`, within what a replica count can be.
    static func count(_ number: Double) -> Int {
        guard number > 0 else { return 0 }
        // 1e-9 forgives rounding: 0.3 / 0.1 is 3.0000000000000004 and means 3.
        return Int(exactly: (min(number, 1e9) - 1e-9).rounded(.up)) ?? 0
    }

    /// The number for people: two decimals at most.
    static func text(_ number: Double) -> String {
        guard number.isFinite, abs(number) < 1e12 else { return number.description }
        let rounded = (number * 100).rounded() / 100
        return Int64(exactly: rounded).map { String($0) } ?? rounded.description
    }
}
