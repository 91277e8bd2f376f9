// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How long a request waits for others to be worked on with it, where a server forms batches.
///
/// Such a server lets requests wait although it has nothing else to do (Triton's `max_queue_delay_microseconds`, TensorFlow Serving's
/// `batch_timeout_micros`, this package's `--max-batch-wait-milliseconds`). More replicas don't shorten that wait: fewer come to each, and a
/// batch takes longer to fill. So it is part of what a request takes, and those that wait for a batch count as work.
///
/// It is learned from looks at which the replicas have less than half as many at work, where requests wait, as they had before: whoever waits for a
/// slot sees all of them taken. Besides nobody may be late, so that no queue is ever taken for a batch that costs the objective.
struct BatchWait: Sendable, Hashable {
    /// The mean seconds that a request waits for its batch; 0 where none is known.
    private(set) var seconds = 0.0
    /// The requests a second that a replica gets done while more wait than for a batch; `nil` until that was seen. Batches take longer the
    /// fuller they are, so what few requests take is no measure of it.
    private(set) var fullRate: Double?
    private var wasFull = false
    private var looks = Looks()
    /// The most requests at work in a replica, at least one.
    private var mostRunning = 1.0

    /// Of how many looks and requests a mean is.
    private static let block = (looks: 5, requests: 100.0)
    /// Which share of the most at work is so little that there was room.
    private static let idleShare = 0.5
    /// Which share of a request's time a wait has to be to count.
    private static let leastShare = 0.1
    /// How much the newest block, or look at full replicas, counts.
    private static let newest = 1.0 / 3
    /// As how many times as much full replicas are believed to do after a minute in which none was seen.
    private static let forgetting = 1.01

    /// What is told of an interval of `replicas` replicas, with those that wait for a batch as work.
    mutating func splitting(_ traffic: SLOTraffic, replicas: Int, lateShare: Double) -> SLOTraffic {
        guard traffic.isQueueKnown, replicas > 0 else { return traffic }
        learn(traffic, replicas: Double(replicas), lateShare: lateShare)
        guard seconds > 0 else { return traffic }
        let rate = traffic.completed / traffic.intervalSeconds
        let isQueue = traffic.waiting > most(at: rate)
        let isFull = isQueue && !hasRoom(traffic.running / Double(replicas))
        learnRate(isFull && wasFull ? rate / Double(replicas) : 0, in: traffic.intervalSeconds)
        wasFull = isFull
        // Where more wait, batches fill at once: all of them wait for a slot.
        guard !isQueue else { return traffic }
        var split = traffic
        split.running += traffic.waiting
        split.waiting = 0
        return split
    }

    /// The most that wait for a batch at `rate` requests a second: the mean by Little's law, and three standard deviations of a Poisson count.
    private func most(at rate: Double) -> Double {
        let mean = rate * seconds
        return (mean + 3 * mean.squareRoot()).rounded(.up)
    }

    /// Whether a replica with `running` at work has room for more.
    private func hasRoom(_ running: Double) -> Bool { running < Self.idleShare * mostRunning }

    private mutating func learnRate(_ rate: Double, in seconds: Double) {
        guard let known = fullRate, rate > 0 else {
            fullRate = rate > 0 ? rate : fullRate.map { $0 * power(Self.forgetting, seconds / 60) }
            return
        }
        fullRate = known + (rate - known) * Self.newest
    }

    private mutating func learn(_ traffic: SLOTraffic, replicas: Double, lateShare: Double) {
        let running = traffic.running / replicas
        looks.add(traffic, running: running)
        mostRunning = max(mostRunning, running)
        guard looks.count >= Self.block.looks, looks.ended >= Self.block.requests else { return }
        defer { looks = Looks() }
        guard looks.waited > 0 else { return seconds *= 1 - Self.newest }
        guard hasRoom(looks.runningBesideWaits), looks.late <= lateShare * looks.ended, looks.spent > 0 else { return }
        let isNotable = looks.waited > Self.leastShare * looks.spent
        let mean = isNotable ? looks.waited / looks.ended : 0
        seconds = seconds == 0 ? mean : seconds + (mean - seconds) * Self.newest
    }
}

/// Some looks in a row, summed up.
private struct Looks: Sendable, Hashable {
    private(set) var count = 0
    private(set) var ended = 0.0
    private(set) var late = 0.0
    /// The seconds that requests waited, and that they took with their waits.
    private(set) var waited = 0.0
    private(set) var spent = 0.0
    private var workedBesideWaits = 0.0

    /// How many are at work in a replica, on the mean, where requests wait: each request that waits counts.
    var runningBesideWaits: Double { workedBesideWaits / waited }

    mutating func add(_ traffic: SLOTraffic, running: Double) {
        count += 1
        ended += traffic.completed
        late += traffic.late
        spent += (traffic.meanSeconds ?? 0) * traffic.completed
        let waits = traffic.waiting * traffic.intervalSeconds
        waited += waits
        workedBesideWaits += waits * running
    }
}
