// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The numbers that a decision of the SLO policy is made from, after all learning: pure arithmetic from here on.
///
/// A recorded sizing gives the same count again, so a decision can be replayed and explained long after.
public struct SLOSizing: Sendable, Hashable {
    /// The replicas that are asked for.
    public var current = 0
    /// The replicas that are ready.
    public var ready = 0
    /// The fewest replicas.
    public var minReplicas = 0
    /// The most replicas.
    public var maxReplicas = 0
    /// The replicas that are starting, with the time until each is expected to be ready.
    public var loading: [Loading] = []
    /// The rate of the last minute, or what is expected one cold start from now where that is less, in requests a second.
    public var expectedRate = 0.0
    /// The capacity that the plan asks for now: what it expects one cold start from now, with its margin.
    public var safeRate = 0.0
    /// The plans that are followed, in words; at most `planLimit` characters.
    public var plan = ""
    static let planLimit = 200
    /// The capacity to keep, what was asked for within the hold included.
    public var heldRate = 0.0
    /// The rate that has to be served now so that nobody waits too long.
    public var burstRate = 0.0
    /// The rate of the last 16 s, in requests a second.
    public var recentRate = 0.0
    /// The rate that the load has reached for sure, noise taken off, in requests a second.
    public var provenRate = 0.0
    /// The rate one cold start from now if it goes on rising as in the last half minute, in requests a second.
    public var risingRate = 0.0
    /// The requests that wait now.
    public var waiting = 0.0
    /// The mean seconds of work in a request.
    public var serviceSeconds = 0.0
    /// The seconds of work that the objective's share of requests can't be below, however few are at work; 0 where that isn't known.
    public var leastSeconds = 0.0
    /// The requests that a replica works on at the same time.
    public var concurrency = 0.0
    /// The variability in the queue, as `QueueModel` has it.
    public var variability = 1.0
    /// The seconds that a request may wait and still be on time.
    public var slackSeconds = 0.0
    /// The share of requests that may be late.
    public var lateShare = 0.05
    /// What a late request costs, as a multiple of what it costs to serve one.
    public var latePrice = 10.0
    /// The seconds from a decision to a ready replica.
    public var horizonSeconds = 0.0
    /// The largest count that was needed within the hold time before now.
    public var heldReplicas = 0
    /// The least that the flow of requests needed at the decisions before this one, for a quarter of the time that a change settles in.
    public var leastNeed = 0
    /// The most that the flow of requests needed at the decisions of the last eight holds, or that was held for it, before
    /// this one. Replicas beyond were asked for to drain a backlog.
    public var largestNeed = 0
    /// What the present surplus has cost since it began, in replica-seconds.
    public var surplusSeconds = 0.0
    /// The seconds for which a surplus is kept.
    public var holdSeconds = 60.0
    /// Whether signals are missing, so that the count may hold or rise only.
    public var isIncomplete = false

    /// Replicas that were asked for at the same time and aren't ready yet.
    public struct Loading: Sendable, Hashable {
        /// How many.
        public var count: Int
        /// The seconds until they are expected to be ready.
        public var inSeconds: Double

        /// Some replicas.
        public init(count: Int, inSeconds: Double) {
            self.count = count
            self.inSeconds = inSeconds
        }
    }

    /// Nothing yet.
    public init() {}
}
