// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Counts what happens in a fleet: the source of its metrics and of the report.
struct FleetTally: Sendable {
    /// The longest series, so that a report stays small.
    static let seriesLimit = 600
    private static let minute: Int64 = 60_000_000

    private let objective: Int64
    private let percentile: Double
    private let horizon: Int64
    private let bucket: Int64
    private var view = FleetView()
    /// All latencies.
    private(set) var latencies = LatencyBins()
    /// The latencies since it was last cleared, kept only on request.
    private var recent: LatencyBins?
    private var arrivedInMinute: [Int32]
    private var onTimeInMinute: [Int32]
    private(set) var series: FleetSeries
    private var bucketLatencies = LatencyBins()
    private var bucketIndex = 0
    /// The integral of all replicas that cost money, in replica-seconds: up to the end of the trace, and after it while
    /// requests are left.
    private(set) var billedSeconds = 0.0
    private(set) var scaleUps = 0
    private(set) var scaleDowns = 0
    private(set) var peakReplicas = 0
    /// The time that the integrals have reached, in microseconds.
    private var time: Int64 = 0

    /// Counts for a trace of `duration` microseconds; of the latencies, the series has the objective's percentile.
    init(duration: Int64, objectiveSeconds: Double, percentile: Double = 95, keepsRecent: Bool) {
        self.percentile = percentile
        horizon = max(1, duration)
        objective = Int64(objectiveSeconds * 1e6)
        bucket = max(1_000_000, (horizon + Int64(Self.seriesLimit) - 1) / Int64(Self.seriesLimit))
        let minutes = Int((horizon + Self.minute - 1) / Self.minute) + 1
        arrivedInMinute = Array(repeating: 0, count: minutes)
        onTimeInMinute = Array(repeating: 0, count: minutes)
        series = FleetSeries(bucketSeconds: Double(bucket) / 1e6, count: Int((horizon + bucket - 1) / bucket))
        recent = keepsRecent ? LatencyBins() : nil
    }

    /// Time passes with these counts.
    mutating func advance(by step: Int64, outstanding: Int, waiting: Int, ready: Int, billed: Int) {
        let seconds = Double(step) * 1e-6
        view.outstandingSeconds += seconds * Double(outstanding)
        view.waitingSeconds += seconds * Double(waiting)
        view.readySeconds += seconds * Double(ready)
        let from = time
        time += step
        // After the trace all replicas cost, idle ones too, until its last request is answered: how long they stay then is no
        // part of it.
        let until = outstanding > 0 ? time : min(time, horizon)
        billedSeconds += Double(max(0, until - from)) * 1e-6 * Double(billed)
        if until > from { peakReplicas = max(peakReplicas, billed) }
        draw(from: from, ready: ready, billed: billed)
    }

    /// Adds the time from `from` until now to the buckets of the series that it crosses.
    private mutating func draw(from: Int64, ready: Int, billed: Int) {
        var from = from
        while from < min(time, horizon) {
            let index = Int(from / bucket)
            let end = min(time, horizon, Int64(index + 1) * bucket)
            let seconds = Double(end - from) * 1e-6
            series.billed[index] += seconds * Double(billed)
            series.ready[index] += seconds * Double(ready)
            series.seconds[index] += seconds
            from = end
        }
    }

    /// A request arrived.
    mutating func arrived(at now: Int64) {
        view.arrived += 1
        arrivedInMinute[min(arrivedInMinute.count - 1, Int(now / Self.minute))] += 1
        series.arrivals[min(series.count - 1, Int(now / bucket))] += 1
    }

    /// A request was turned away; it counts as late.
    mutating func rejected() {
        view.rejected += 1
        recent?.record(0)
    }

    /// A request was answered.
    mutating func completed(at now: Int64, latency: Int64) {
        view.completed += 1
        let seconds = Double(latency) / 1e6
        view.latencySeconds += seconds
        view.latencySquares += seconds * seconds
        latencies.record(latency)
        recent?.record(latency)
        if latency > objective {
            view.late += 1
        } else {
            onTimeInMinute[min(onTimeInMinute.count - 1, Int(max(0, now - latency) / Self.minute))] += 1
        }
        let index = min(series.count - 1, Int(now / bucket))
        if index != bucketIndex {
            closeBucket()
            bucketIndex = index
        }
        bucketLatencies.record(latency)
    }

    /// A replica became ready.
    mutating func started(seconds: Double) {
        view.starts += 1
        view.startSeconds += seconds
    }

    /// The count that is asked for changed.
    mutating func scaled(up: Bool) { if up { scaleUps += 1 } else { scaleDowns += 1 } }

    /// Fills in the totals of a view.
    func fill(_ other: inout FleetView) {
        other.arrived = view.arrived
        other.completed = view.completed
        other.late = view.late
        other.rejected = view.rejected
        other.latencySeconds = view.latencySeconds
        other.latencySquares = view.latencySquares
        other.outstandingSeconds = view.outstandingSeconds
        other.waitingSeconds = view.waitingSeconds
        other.readySeconds = view.readySeconds
        other.starts = view.starts
        other.startSeconds = view.startSeconds
        other.latencies = recent
    }

    /// Begins a new interval of recent latencies.
    mutating func clearRecent() { recent?.clear() }

    /// Ends the series; call once, after the last request.
    mutating func close() { closeBucket() }

    /// The share of on-time requests in the worst minute with at least 20 arrivals; `nil` without such a minute.
    var worstMinute: Double? {
        var worst: Double?
        for (arrived, onTime) in zip(arrivedInMinute, onTimeInMinute) where arrived >= 20 {
            worst = min(worst ?? 1, Double(onTime) / Double(arrived))
        }
        return worst
    }

    private mutating func closeBucket() {
        series.latency[bucketIndex] = bucketLatencies.quantile(percentile / 100)
        bucketLatencies.clear()
    }
}

/// What a plot needs: one value per bucket of time.
public struct FleetSeries: Sendable, Hashable {
    /// The width of a bucket in seconds.
    public var bucketSeconds: Double
    /// Requests that arrived in the bucket.
    public var arrivals: [Int]
    /// The integral of ready replicas.
    public var ready: [Double]
    /// The integral of replicas that cost money.
    public var billed: [Double]
    /// The seconds that the bucket holds.
    public var seconds: [Double]
    /// The objective's percentile of the latencies, in seconds; `nil` when nothing was answered.
    public var latency: [Double?]

    init(bucketSeconds: Double, count: Int) {
        let count = max(1, count)
        self.bucketSeconds = bucketSeconds
        arrivals = Array(repeating: 0, count: count)
        ready = Array(repeating: 0, count: count)
        billed = Array(repeating: 0, count: count)
        seconds = Array(repeating: 0, count: count)
        latency = Array(repeating: nil, count: count)
    }

    /// The number of buckets.
    public var count: Int { arrivals.count }
}
