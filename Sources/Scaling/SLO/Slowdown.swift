// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How much longer a request takes the more are worked on beside it, as on cores or accelerators that they share: k requests at work in a
/// replica take S(k) = S(1) (1 + slope (k - 1)) each.
///
/// Heavier requests take longer, too, and more are at work then; that is no slowdown. So it isn't asked how S goes with k but how both go
/// with x, the throughput of a replica, which doesn't depend on how heavy a request is: S over k rises by cov(x, S) / cov(x, k), the
/// estimate by an instrumental variable (Wooldridge, "Introductory Econometrics", chapter 15).
struct Slowdown: Sendable, Hashable {
    /// By which share of S(1) each further request slows the others down, 0 to 1; 0 where none is seen.
    var slope: Double { line?.slope ?? 0 }
    private var line: Line?

    /// How seconds go with requests at work.
    struct Line: Sendable, Hashable {
        /// The seconds of a request by itself.
        var alone: Double
        /// See `Slowdown.slope`.
        var slope: Double
    }

    /// What is seen of now: sums that fade.
    private var spent = 0.0
    private var ended = 0.0
    private var replicaSeconds = 0.0
    private var moments = Moments()
    private var seenSeconds = 0.0

    /// How long now is, in seconds; twice a request's work if that is more, since it goes with those that were at work beside it.
    private static let leastNow = 30.0
    /// Half of what is remembered is younger than this, in seconds.
    private static let halfLife = 1800.0
    /// A full replica whose requests take longer by less than this share isn't told from chance.
    private static let leastStretch = 0.2
    /// Of fewer at work in a replica, on the mean, hardly any has another beside it where requests go to the idlest replica.
    private static let leastWorking = 0.8
    /// By which share requests have to be heavier or lighter than those that the line was learned from so that it isn't chance: where hardly any
    /// has another beside it, the line is above what they take.
    private static let chance = 0.1

    /// Whether requests in a replica with `slots` at work take so much longer that it isn't chance.
    func isNotable(at slots: Double) -> Bool { stretch(slots) > 1 + Self.leastStretch }

    /// As how many times the seconds of a request by itself one takes of `count` at work; 1 below one.
    func stretch(_ count: Double) -> Double { 1 + slope * max(0, count - 1) }

    /// The seconds of a request by itself, where one takes `seconds` with `working` at work in a replica on the mean.
    func alone(seconds: Double, working: Double) -> Double {
        guard let line else { return seconds }
        let now = seconds / (1 + line.slope * (max(Self.leastWorking, working) - 1))
        return abs(now - line.alone) < Self.chance * line.alone ? line.alone : now
    }

    /// The most at work, one at least, that take no more than `stretch` times the seconds of one by itself.
    func most(stretch: Double) -> Double { slope > 0 ? 1 + max(0, stretch - 1) / slope : .infinity }

    /// Learns from `ended` requests with `spent` seconds of work in `seconds` seconds, in which `replicaSeconds` of replicas went by.
    mutating func learn(spent: Double, ended: Double, replicaSeconds: Double, in seconds: Double) {
        guard spent > 0, ended > 0, replicaSeconds > 0, seconds > 0 else { return }
        let now = max(Self.leastNow, 2 * spent / ended)
        let kept = exponential(-seconds / now)
        self.spent = self.spent * kept + spent
        self.ended = self.ended * kept + ended
        self.replicaSeconds = self.replicaSeconds * kept + replicaSeconds
        seenSeconds += seconds
        guard seenSeconds > now else { return }
        moments.fade(by: exponential(-naturalLogarithm(2) * seconds / Self.halfLife))
        moments.add(
            throughput: self.ended / self.replicaSeconds,
            working: self.spent / self.replicaSeconds,
            work: self.spent / self.ended,
            seconds: seconds
        )
        line = moments.line
    }
}

/// How a replica's throughput, the requests at work in it and their seconds of work go with each other: fading sums of the products of their
/// differences from the mean (Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products", 1962).
private struct Moments: Sendable, Hashable {
    private var seconds = 0.0
    private var throughput = 0.0
    private var working = 0.0
    private var work = 0.0
    private var throughputSquares = 0.0
    private var workingSquares = 0.0
    private var workSquares = 0.0
    private var throughputWorking = 0.0
    private var throughputWork = 0.0
    private var workingWork = 0.0

    /// How much the throughput has to have differed: by this share of it for `leastSeconds`, or by more for less long.
    private static let leastVariation = 0.1
    /// Of how many seconds something has to be known.
    private static let leastSeconds = 120.0
    /// How closely the seconds of work have to go with the requests at work: the square of their correlation.
    private static let leastFit = 0.5

    mutating func fade(by kept: Double) {
        seconds *= kept
        throughputSquares *= kept
        workingSquares *= kept
        workSquares *= kept
        throughputWorking *= kept
        throughputWork *= kept
        workingWork *= kept
    }

    mutating func add(
        throughput newThroughput: Double,
        working newWorking: Double,
        work newWork: Double,
        seconds new: Double
    ) {
        seconds += new
        let share = new / seconds
        let (x, k, s) = (newThroughput - throughput, newWorking - working, newWork - work)
        throughput += x * share
        working += k * share
        work += s * share
        let weight = new * (1 - share)
        throughputSquares += weight * x * x
        workingSquares += weight * k * k
        workSquares += weight * s * s
        throughputWorking += weight * x * k
        throughputWork += weight * x * s
        workingWork += weight * k * s
    }

    /// How the seconds of work go with the requests at work; `nil` where too little is known.
    var line: Slowdown.Line? {
        let least = Self.leastVariation * throughput
        guard seconds >= Self.leastSeconds, throughputSquares > least * least * Self.leastSeconds,
            throughputWorking > 0, throughputWork > 0,
            workingWork * workingWork > Self.leastFit * workingSquares * workSquares
        else { return nil }
        let perRequest = throughputWork / throughputWorking
        let alone = work - perRequest * (working - 1)
        // Requests that do nothing but hinder each other: each takes as long as all that are at work do one after the other.
        guard alone > perRequest else { return Slowdown.Line(alone: work / max(1, working), slope: 1) }
        return Slowdown.Line(alone: alone, slope: perRequest / alone)
    }
}
