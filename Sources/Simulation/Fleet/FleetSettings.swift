// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How requests find a replica.
public enum Balancing: String, Sendable, Hashable, CaseIterable {
    /// They wait in one queue before the fleet and go to the first free slot (Ray Serve's router, KServe's activator).
    case sharedQueue = "shared-queue"
    /// At once to the ready replica with the fewest requests, and wait there.
    case leastOutstanding = "least-outstanding"
    /// At once to the better of two ready replicas drawn at random, and wait there.
    case randomOfTwo = "random-of-two"
    /// At once to the next ready replica in turn, and wait there.
    case roundRobin = "round-robin"
}

/// The modelled fleet.
public struct FleetSettings: Sendable, Hashable {
    /// The requests that one replica works on at the same time; at least 1.
    public var concurrency = 4
    /// The requests that may wait per ready replica; `nil` for no limit. Those beyond are rejected.
    public var queueLimit: Int?
    /// How long a replica works on a request that it has for itself.
    public var serviceTime = ServiceTime(meanSeconds: 1)
    /// By how much each further request that the replica works on lengthens a request, as a share of it (batching).
    public var occupancySlope = 0.0
    /// The seconds from the decision to start a replica until it is ready.
    public var coldStartSeconds = 60.0
    /// The coefficient of variation of the cold start.
    public var coldStartVariation = 0.0
    /// How requests find a replica.
    public var balancing = Balancing.sharedQueue
    /// The fewest replicas while the model is in use.
    public var minReplicas = 1
    /// Whether a policy may let all replicas go while nobody asks anything.
    public var scalesToZero = false
    /// The most replicas.
    public var maxReplicas = 10_000
    /// The replicas that are ready at the start.
    public var initialReplicas = 1
    /// The latency that counts as on time, in seconds.
    public var objectiveSeconds = 3.0
    /// The share of the requests that shall be on time, in percent.
    public var objectivePercentile = 95.0
    /// What makes the run reproducible.
    public var seed: UInt64 = 1

    /// The service model that the figures in docs/scaling.md are made with.
    public init() {}

    /// The fewest replicas at any time.
    public var leastReplicas: Int { scalesToZero ? 0 : minReplicas }

    /// The requests a second that a replica with all slots taken gets done.
    public var replicaRate: Double {
        let stretch = 1 + occupancySlope * Double(max(0, concurrency - 1))
        return Double(max(1, concurrency)) / (serviceTime.meanSeconds * stretch)
    }

    /// The requests a second that no replica exceeds, however many of its slots are taken.
    ///
    /// A steep slope makes a replica quickest with a single request. Where requests differ, a long one may begin alone and
    /// have short ones beside it: then all that is certain is that a slot does a second of work in a second.
    var largestRate: Double {
        serviceTime.shape == .deterministic
            ? max(replicaRate, 1 / serviceTime.meanSeconds)
            : Double(max(1, concurrency)) / serviceTime.meanSeconds
    }

    /// The same fleet for requests whose mean work is `work`'s.
    func knowing(_ work: KnownWork) -> FleetSettings {
        var known = self
        known.serviceTime.meanSeconds = work.meanSeconds
        return known
    }
}
