// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Scaling
import Telemetry

/// One signal of a model as `external.metrics.k8s.io` serves it: a total over the replicas, and how fresh it is.
struct ExternalReading: Sendable, Hashable {
    /// The largest total that is served; a quantity in thousandths of it still fits 64 bits.
    static let largestTotal = 1e15

    /// The total over all replicas, 0 to `largestTotal`.
    let total: Double
    /// When the oldest page in it was read.
    let time: WallTime

    /// A reading.
    init(total: Double, time: WallTime) {
        self.total = min(max(total, 0), Self.largestTotal)
        self.time = time
    }

    /// The reading of `signal`; `nil` when no ready replica reports it, since missing is not zero.
    ///
    /// An HPA divides the total by its target, so a replica that is left out would lower the count. One that didn't report
    /// is taken for as busy as the busiest one that did, and at least for as busy as wanted (`target`, per replica), as far as
    /// that holds the count of `replicas`. It never raises it: of many that have just got ready none has a page yet. Where just other
    /// tracks' replicas report, their total may raise the count and never lowers it.
    init?(_ signal: Signal, in signals: TrackSignals, target: Double, replicas: Int, now: WallTime) {
        guard let reading = signals.readings[signal], reading.replicas > 0, reading.total.isFinite,
            let partial = signals.partial[signal.kind]
        else { return nil }
        let silent = partial.missing + signals.pending + signals.unreadElsewhere([signal])
        let assumed = silent == 0 ? 0 : Double(silent) * max(partial.largest, target)
        let held = target * Double(replicas)
        if reading.reporting == 0, signals.replicas > 0 {
            self.init(total: max(reading.total, held), time: now - reading.age)
            return
        }
        self.init(total: max(reading.total, min(reading.total + assumed, held)), time: now - reading.age)
    }
}
