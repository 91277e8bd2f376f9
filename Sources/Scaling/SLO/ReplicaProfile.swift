// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What one replica can do, learned from what is seen: seconds of work, its variability, slots, and the cold start.
struct ReplicaProfile: Sendable, Hashable {
    /// The mean seconds of work in a request; `nil` until some were answered.
    private(set) var serviceSeconds: Double?
    /// The squared coefficient of variation of the seconds of work.
    private(set) var serviceVariation = 0.5
    /// The requests that a replica works on at the same time, as learned; `nil` until one was seen working.
    private(set) var slots: Double?
    /// Whether a queue was seen, so that `slots` are those of full replicas.
    private var hasBeenFull = false
    /// By how much fewer slots may be used for the latency to hold: 1 is all of them.
    private(set) var usableShare = 1.0
    /// The mean of the cold starts, and of how far they were from it.
    private(set) var coldStartSeconds: Double
    private var coldStartDeviation = 0.0
    private var coldStarts = 0

    /// As how many times the first requests in work the slots begin, when nobody waits: as if two thirds were taken.
    private static let firstGuess = 1.5

    /// Starts from an assumed cold start.
    init(coldStartSeconds: Double) { self.coldStartSeconds = coldStartSeconds }

    /// The cold start to plan with: the mean and twice its usual deviation.
    var plannedColdStart: Double { coldStartSeconds + 2 * coldStartDeviation }

    /// The slots to plan with.
    var concurrency: Double { max(1e-3, (slots ?? 1) * usableShare) }

    /// A replica became ready after `seconds`.
    mutating func started(after seconds: Double) {
        guard seconds.isFinite, seconds > 0, seconds < 86_400 else { return }
        coldStarts += 1
        if coldStarts == 1 {
            coldStartSeconds = seconds
            return
        }
        coldStartDeviation += (abs(seconds - coldStartSeconds) - coldStartDeviation) / 5
        coldStartSeconds += (seconds - coldStartSeconds) / 5
    }

    /// Learns from an interval with `reporting` replicas.
    mutating func learn(_ traffic: SLOTraffic, reporting: Int, lateShare: Double) {
        learnService(traffic)
        guard reporting > 0 else { return }
        let perReplica = traffic.running / Double(reporting)
        if traffic.waiting >= Double(reporting), perReplica >= 1 {
            // With a queue every slot is taken: this is the number of slots.
            slots = slots.map { $0 + (perReplica - $0) * (perReplica > $0 ? 0.5 : 0.1) } ?? perReplica
            hasBeenFull = true
        } else if slots == nil {
            // What a replica does isn't the most that it can do: a restart of the operator is no reason for more replicas.
            if perReplica > 0 { slots = max(1, Self.firstGuess * perReplica) }
        } else if let known = slots, perReplica > known {
            slots = perReplica
        } else if !hasBeenFull, traffic.late == 0, traffic.waiting == 0, perReplica > 0.8 * (slots ?? 1) {
            // Nearly full and nobody late: a little more may be possible. After a queue the slots are known, and whoever
            // goes on trying plans with slots that aren't there until the next queue.
            slots = (slots ?? 1) * 1.002
        }
        learnShare(traffic, perReplica: perReplica, lateShare: lateShare)
    }

    private mutating func learnService(_ traffic: SLOTraffic) {
        let weight = min(0.2, traffic.completed / 200)
        if let seconds = traffic.serviceSeconds, seconds.isFinite, seconds > 0, traffic.completed > 0 {
            serviceSeconds = serviceSeconds.map { $0 + (seconds - $0) * weight } ?? seconds
        }
        if let variation = traffic.serviceVariation, variation.isFinite, variation >= 0, traffic.completed > 1 {
            serviceVariation += (min(variation, 25) - serviceVariation) * weight
        }
    }

    /// Requests that are late without having waited mean that a replica slows down when all slots are used.
    private mutating func learnShare(_ traffic: SLOTraffic, perReplica: Double, lateShare: Double) {
        let planned = (slots ?? 1) * usableShare
        if traffic.waiting == 0, traffic.completed >= 10, traffic.late > lateShare * traffic.completed,
            perReplica > 0.7 * planned
        {
            usableShare = max(0.25, usableShare * 0.98)
        } else if traffic.late < lateShare / 4 * traffic.completed {
            usableShare = min(1, usableShare * 1.0005)
        }
    }
}
