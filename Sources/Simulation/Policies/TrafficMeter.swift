// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Scaling

/// What the replicas did between two views, as the SLO policy wants it.
struct TrafficMeter: Sendable {
    private var last: FleetView?

    /// The traffic since the view before, as servers tell it, and the mean seconds of the starts that ended meanwhile.
    ///
    /// Servers count a request that they turn away as one that was answered at once.
    mutating func read(_ newest: FleetView) -> (traffic: SLOTraffic?, coldStartSeconds: Double?) {
        defer { last = newest }
        guard let last, newest.seconds > last.seconds else { return (nil, nil) }
        let completed = Double(newest.counted - last.counted)
        let mean = completed > 0 ? (newest.latencySeconds - last.latencySeconds) / completed : nil
        let traffic = SLOTraffic(
            intervalSeconds: newest.seconds - last.seconds,
            arrived: completed + Double(newest.outstanding - last.outstanding),
            completed: completed,
            late: Double(newest.late - last.late),
            running: Double(newest.running),
            waiting: Double(newest.waiting),
            meanSeconds: mean,
            serviceVariation: mean.map {
                max(0, (newest.latencySquares - last.latencySquares) / completed / ($0 * $0) - 1)
            }
        )
        let starts = newest.starts - last.starts
        return (traffic, starts > 0 ? (newest.startSeconds - last.startSeconds) / Double(starts) : nil)
    }
}
