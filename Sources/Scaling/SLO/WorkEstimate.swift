// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The seconds of work in a request, learned from what servers tell: mean durations that have the waits in them, and levels.
///
/// By Little's law the time that requests waited is how many waited, summed up over time; what is left of their durations is work. What a look
/// every few seconds misses of a short queue, another look counts too much. Both are summed up over a cycle, from one look at which
/// nobody waits to the next.
///
/// | requests that wait | work |
/// | --- | --- |
/// | none, or fewer in a cycle than those at work | the durations less the waits, half of the durations at least |
/// | more: durations are of requests that came long before | those at work over those that end a second, until nobody waits |
/// | durations aren't told | those at work over those that end a second |
///
/// After a long queue a cycle begins once those that waited in it are answered. What is known is of the last 500 requests or 5 minutes,
/// whichever is more, the older the less; where those of the last half minute differ by more than a fifth, it is theirs alone. A mean that is
/// more than ten times what was known counts as ten times.
///
/// Of servers that don't tell how many wait, the least mean of a hundred requests is what a request takes without a wait (it
/// may grow by 1 % a minute); where a hundred take more than twice as long, what the throughput doesn't explain waits.
struct WorkEstimate: Sendable, Hashable {
    /// The mean seconds of work in a request; `nil` until some were answered.
    private(set) var seconds: Double?
    /// The squared coefficient of variation of the seconds of work.
    private(set) var variation = 0.5
    /// By which share `seconds` may stray without that requests have changed: a fifth, or four standard errors of the mean of those that are
    /// remembered.
    var stray: Double { max(Self.change, 4 * (variation / Self.memory.requests).squareRoot()) }
    /// How much longer they are the more requests are at work.
    private(set) var slowdown = Slowdown()
    /// How many requests were at work in a replica, on the mean, when requests took `seconds`.
    var working: Double { known.working }

    private var known = WorkSum()
    private var recent = WorkSum()
    private var cycle = WorkSum()
    private var levels = WorkSum()
    private var waitedSeconds = 0.0
    /// Whether more wait in this cycle than are at work.
    private var isLong = false
    /// For how many seconds those are still answered that waited in a long queue.
    private var answeringSeconds = 0.0
    private var lastRunning = 0.0
    private var lastWaiting = 0.0
    private var replicas = 1.0
    private var isQueueKnown = true
    private var unknownQueue = UnknownQueue()

    /// The longest time that is waited until those that waited are answered, in seconds: what was learned may be far too much.
    private static let longestAnswering = 300.0
    /// From how many requests the levels give a mean.
    private static let leastEnded = 10.0
    /// Of how many requests, and of how many seconds if that is more, something is known: the less, the older they are.
    private static let memory = (requests: 500.0, seconds: 300.0)
    /// The same for what shows whether requests have changed.
    private static let shortMemory = (requests: 500.0, seconds: 30.0)
    /// By which share the newest requests have to differ so that those before no longer count.
    private static let change = 0.2
    /// No request has more seconds of work.
    private static let mostSeconds = 86_400.0

    /// What is told of an interval, with those that wait apart from those at work.
    mutating func splitting(_ traffic: SLOTraffic) -> SLOTraffic {
        unknownQueue.splitting(traffic, lastRunning: lastRunning)
    }

    /// Learns from an interval of `replicas` replicas whose `waiting` is apart.
    mutating func learn(_ traffic: SLOTraffic, replicas: Int = 1) {
        self.replicas = Double(max(1, replicas))
        isQueueKnown = traffic.isQueueKnown
        defer { (lastRunning, lastWaiting) = (traffic.running, traffic.waiting) }
        guessFirst(traffic)
        guard traffic.meanSeconds != nil || traffic.completed == 0 else { return learnByLevels(traffic) }
        if isLong || answeringSeconds > 0 {
            waitForAnswers(traffic)
        } else {
            goOn(traffic)
        }
    }

    /// Another version serves: what its first requests take counts, not what those of the one before took.
    mutating func startAnew() {
        (known, recent, cycle, levels, waitedSeconds) = (WorkSum(), WorkSum(), WorkSum(), WorkSum(), 0)
        unknownQueue = UnknownQueue()
        slowdown = Slowdown()
    }

    /// Better than nothing, until something is known.
    private mutating func guessFirst(_ traffic: SLOTraffic) {
        guard seconds == nil, let mean = traffic.meanSeconds, traffic.completed > 0 else { return }
        let working = max(1, traffic.running)
        let guess = mean * working / (working + traffic.waiting)
        if guess > 0, guess < Self.mostSeconds { seconds = guess }
    }

    private mutating func goOn(_ traffic: SLOTraffic) {
        cycle.add(
            (traffic.meanSeconds ?? 0) * traffic.completed,
            ended: traffic.completed,
            in: traffic.intervalSeconds,
            of: replicas
        )
        levels.add(working(traffic), ended: traffic.completed, in: traffic.intervalSeconds, of: replicas)
        waitedSeconds += (traffic.waiting + lastWaiting) / 2 * traffic.intervalSeconds
        isLong = waitedSeconds > levels.spent
        if isLong { (cycle, levels) = (WorkSum(), WorkSum()) }
        guard traffic.waiting == 0, !isLong, cycle.ended > 0 else { return }
        cycle.spent = max(cycle.spent / 2, cycle.spent - waitedSeconds)
        learn(cycle)
        (cycle, levels, waitedSeconds) = (WorkSum(), WorkSum(), 0)
        learnVariation(traffic)
    }

    private mutating func waitForAnswers(_ traffic: SLOTraffic) {
        if traffic.waiting > 0 {
            isLong = true
            return learnByLevels(traffic)
        }
        answeringSeconds =
            isLong ? min(seconds ?? 0, Self.longestAnswering) : answeringSeconds - traffic.intervalSeconds
        (isLong, levels, waitedSeconds) = (false, WorkSum(), 0)
    }

    private mutating func learnByLevels(_ traffic: SLOTraffic) {
        levels.add(working(traffic), ended: traffic.completed, in: traffic.intervalSeconds, of: replicas)
        // At looks that find nobody at work requests do take some time: those of many looks together tell how little.
        guard levels.ended >= Self.leastEnded, levels.spent > 0 else { return }
        learn(levels)
        levels = WorkSum()
    }

    /// The seconds of work that are done in an interval.
    private func working(_ traffic: SLOTraffic) -> Double {
        (traffic.running + lastRunning) / 2 * traffic.intervalSeconds
    }

    private mutating func learn(_ newer: WorkSum) {
        let mean = newer.mean
        guard mean > 0, mean < Self.mostSeconds else { return }
        var newer = newer
        newer.spent = min(mean, 10 * (seconds ?? mean)) * newer.ended
        // Where a queue isn't told, what waits may pass for work that takes longer.
        if isQueueKnown { newer.teach(&slowdown) }
        known.replace(by: newer, memory: Self.memory)
        recent.replace(by: newer, memory: Self.shortMemory)
        if abs(recent.mean - known.mean) > Self.change * known.mean { known = recent }
        seconds = known.mean
    }

    private mutating func learnVariation(_ traffic: SLOTraffic) {
        guard let seen = traffic.serviceVariation, seen.isFinite, seen >= 0, traffic.completed > 1 else { return }
        variation += (min(seen, 25) - variation) * min(0.2, traffic.completed / 200)
    }
}

/// The time that requests spent, how many they were, and the seconds in which they ended, of all replicas together as well.
private struct WorkSum: Sendable, Hashable {
    var spent = 0.0
    private(set) var ended = 0.0
    private var seconds = 0.0
    private var replicaSeconds = 0.0

    /// The mean of a request.
    var mean: Double { spent / ended }
    /// How many were at work in a replica, on the mean (Little's law).
    var working: Double { replicaSeconds > 0 ? spent / replicaSeconds : 0 }

    mutating func add(_ spent: Double, ended: Double, in seconds: Double, of replicas: Double) {
        self.spent += spent
        self.ended += ended
        self.seconds += seconds
        replicaSeconds += seconds * replicas
    }

    func teach(_ slowdown: inout Slowdown) {
        slowdown.learn(spent: spent, ended: ended, replicaSeconds: replicaSeconds, in: seconds)
    }

    /// Adds what is newer, and forgets as much of what is older.
    mutating func replace(by newer: WorkSum, memory: (requests: Double, seconds: Double)) {
        let kept = exponential(-min(newer.ended / memory.requests, newer.seconds / memory.seconds))
        spent = spent * kept + newer.spent
        ended = ended * kept + newer.ended
        replicaSeconds = replicaSeconds * kept + newer.replicaSeconds
    }
}

/// The queue of servers that don't tell how many wait.
private struct UnknownQueue: Sendable, Hashable {
    private var spent = 0.0
    private var ended = 0.0
    private var leastMean: Double?
    private var isQueued = false

    /// How many requests a mean is of that shows whether some wait.
    private static let block = 100.0

    /// What is told of an interval, with those that wait apart; where nothing ended, those at work are as many as before.
    mutating func splitting(_ traffic: SLOTraffic, lastRunning: Double) -> SLOTraffic {
        guard !traffic.isQueueKnown else { return traffic }
        leastMean? *= power(1.01, traffic.intervalSeconds / 60)
        var working = lastRunning
        if let mean = traffic.meanSeconds, mean > 0, mean.isFinite, traffic.completed > 0 {
            spent += mean * traffic.completed
            ended += traffic.completed
            if ended >= Self.block { endBlock() }
            working = traffic.completed / traffic.intervalSeconds * (leastMean ?? mean)
        }
        guard isQueued else { return traffic }
        var split = traffic
        split.running = min(traffic.running, working)
        split.waiting = traffic.running - split.running
        return split
    }

    private mutating func endBlock() {
        let mean = spent / ended
        leastMean = min(mean, leastMean ?? mean)
        isQueued = mean > 2 * (leastMean ?? mean)
        (spent, ended) = (0, 0)
    }
}

/// `base` to the power of `exponent`, for a base above 0.
func power(_ base: Double, _ exponent: Double) -> Double { exponential(naturalLogarithm(base) * exponent) }
