// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Scaling

extension TrackSignals {
    /// What the track did in the last `seconds`, as the SLO policy wants it; `nil` where rates or levels are missing.
    ///
    /// | number | from |
    /// | --- | --- |
    /// | completed | the rate of requests |
    /// | arrived | that rate, and by how much the requests in each replica became more between its two scrapes |
    /// | waiting | the queue length; 0 where the server has no queue metric, whose requests in flight then hold all |
    /// | running | requests in flight without those that wait, and where only these are unknown as many as elsewhere; |
    /// | | else by Little's law, rate × mean latency, less those that wait |
    /// | late | the share of the latency histogram above the objective |
    /// | mean seconds | the mean latency, waits included |
    public func traffic(seconds: Double, objective: LatencyObjective) -> SLOTraffic? {
        guard seconds > 0, let rate = readings[.requestRate] else { return nil }
        var waiting = 0.0
        // One that another track alone shows says nothing of those that wait here.
        let queue = readings[.queueLength].flatMap { $0.reporting > 0 || rate.reporting == 0 ? $0 : nil }
        if let queue {
            waiting = queue.total
        } else if missingSignals[.queueLength]?.cause != .notMapped {
            return nil
        }
        let mean = latency?.meanSeconds
        // Of those that have a rate: a replica that was read once has levels and no rate yet, and a counter of time says nothing of one
        // before a request ended there, when its rate is known.
        let known = running.map { $0.total * Double(rate.replicas) / Double(max(1, $0.replicas)) }
        // A request's time has its wait in it.
        let littles = mean.map { max(0, rate.total * $0 - waiting) }
        guard let running = known ?? littles ?? (rate.total == 0 ? 0 : nil) else { return nil }
        let completed = rate.total * seconds
        let share = latency?.lateShare(above: objective.milliseconds / 1000) ?? 0
        return SLOTraffic(
            intervalSeconds: seconds,
            arrived: (arrivals?.total ?? rate.total) * seconds,
            completed: completed,
            late: completed * share,
            running: running,
            waiting: waiting,
            meanSeconds: rate.total > 0 ? mean : nil,
            serviceVariation: latency?.histogram?.variation,
            isQueueKnown: queue != nil
        )
    }

    /// How many replicas are in `traffic(seconds:objective:)`.
    public var trafficReporting: Int { readings[.requestRate]?.reporting ?? 0 }

    /// How many replicas of the other tracks are in it as well.
    public var trafficElsewhere: Int { readings[.requestRate]?.elsewhere ?? 0 }
}
