// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// A number that scaling can follow, as `spec.scaling.targets[].signal` names it.
public enum Signal: String, Sendable, Hashable, CaseIterable, Comparable {
    /// Requests that wait in the replica's queue.
    case queueLength = "QueueLength"
    /// Requests that the replica has accepted and not yet answered.
    case inFlight = "InFlight"
    /// Requests a second.
    case requestRate = "RequestRate"

    /// In the order of their names.
    public static func < (left: Signal, right: Signal) -> Bool { left.rawValue < right.rawValue }
}

/// What one signal showed over the replicas of a track.
public struct SignalReading: Sendable, Hashable {
    /// The sum over the replicas that reported.
    public var total: Double
    /// How many replicas reported.
    public var reporting: Int
    /// How many replicas of the model's other tracks are in the sum as well.
    public var elsewhere: Int
    /// The age of the oldest scrape in the sum.
    public var age: Duration

    /// A reading.
    public init(total: Double, reporting: Int, elsewhere: Int = 0, age: Duration = .zero) {
        self.total = total
        self.reporting = reporting
        self.elsewhere = elsewhere
        self.age = age
    }

    /// How many replicas are in the sum, whatever track they belong to.
    public var replicas: Int { reporting + elsewhere }
}

/// What the track's latency histogram showed between the last two scrapes.
public struct LatencyReading: Sendable, Hashable {
    /// The percentile of the objective in milliseconds; `nil` when no request ended in the interval.
    public var milliseconds: Double?
    /// Whether the percentile is at least that and nothing more is known, since the histogram ends there.
    public var isLowerBound = false
    /// Requests a second that ended in the interval.
    public var requestRate: Double
    /// How many replicas reported.
    public var reporting: Int
    /// How many replicas of the model's other tracks are in the reading as well.
    public var elsewhere: Int
    /// The age of the oldest scrape in the reading.
    public var age: Duration

    /// How many replicas are in the reading, whatever track they belong to.
    var replicas: Int { reporting + elsewhere }

    /// A reading.
    public init(
        milliseconds: Double?,
        requestRate: Double,
        reporting: Int,
        elsewhere: Int = 0,
        age: Duration = .zero
    ) {
        self.milliseconds = milliseconds
        self.requestRate = requestRate
        self.reporting = reporting
        self.elsewhere = elsewhere
        self.age = age
    }
}

/// A ready replica without a usable reading, and why.
public struct MissingReplica: Sendable, Hashable {
    /// The pod's name.
    public var pod: String
    /// What was found instead, as a clause: `the scrape timed out`.
    public var reason: String

    /// A missing replica.
    public init(pod: String, reason: String) {
        self.pod = pod
        self.reason = reason
    }
}

/// Everything that a scaling decision is made from.
public struct ScaleObservation: Sendable, Hashable {
    /// When it was made.
    public var time: WallTime
    /// The replicas that are asked for now (`spec.replicas` of the workload).
    public var replicas: Int
    /// The replicas that are ready.
    public var readyReplicas: Int
    /// What each signal showed; a signal without an entry is missing.
    public var readings: [Signal: SignalReading]
    /// What latency showed; `nil` when it is missing.
    public var latency: LatencyReading?
    /// The CPU time that a replica takes, as a share of what it asked for; `nil` when it is missing.
    public var cpuShare: Double?
    /// What the replicas did since the observation before, for the SLO policy; `nil` when nothing usable was read.
    public var traffic: SLOTraffic?
    /// How many ready replicas are in `traffic`.
    public var trafficReporting: Int
    /// How many replicas of the model's other tracks are in `traffic` as well.
    public var trafficElsewhere = 0
    /// Which revision serves; `nil` where there is but one.
    public var revision: Int?
    /// Whether the track's own replicas get no request: those of other tracks do all that the readings show.
    public var isBypassed = false
    /// Ready replicas without a usable reading.
    public var missing: [MissingReplica]
    /// The same of the model's other tracks.
    public var missingElsewhere: [MissingReplica] = []
    /// Why signals are missing, as clauses: what was looked for, and what the page offers.
    public var missingSignals: [String] = []
    /// Signals that the replicas have and that can't be told now: whether anything is under way isn't known.
    public var unknownSignals: Set<Signal> = []
    /// Replicas that weren't read and that `readyReplicas` leaves out (just ready, of another revision, or not even seen):
    /// what they carry no reading shows, so that the count isn't lowered.
    public var unreadReplicas = 0
    /// How many of these have only just got ready, or were only just asked for: their pages are under way, and nothing is wrong.
    public var newReplicas = 0
    /// The seconds from a pod's creation to its readiness, for pods that got ready since the observation before.
    public var coldStartSeconds: Double?
    /// When somebody last asked for the model while it had no replica.
    public var wokenAt: WallTime?
    /// The bounds that schedules set now.
    public var schedules: [ScheduledBounds] = []

    /// An observation.
    public init(
        time: WallTime,
        replicas: Int,
        readyReplicas: Int,
        readings: [Signal: SignalReading] = [:],
        latency: LatencyReading? = nil,
        cpuShare: Double? = nil,
        traffic: SLOTraffic? = nil,
        trafficReporting: Int = 0,
        missing: [MissingReplica] = []
    ) {
        self.time = time
        self.replicas = max(0, replicas)
        self.readyReplicas = max(0, readyReplicas)
        self.readings = readings
        self.latency = latency
        self.cpuShare = cpuShare
        self.traffic = traffic
        self.trafficReporting = max(0, trafficReporting)
        self.missing = missing
    }

    /// Replicas that were asked for and aren't ready yet: capacity to come.
    public var loadingReplicas: Int { max(0, replicas - readyReplicas) }

    /// How many replicas, of whatever track, do what a reading shows.
    public func workers(_ reading: SignalReading) -> Int {
        isBypassed && reading.elsewhere > 0 ? reading.elsewhere : reading.replicas
    }

    /// Takes all tracks for one: `replicas` and `readyReplicas` are those of all, and so are those that report.
    public mutating func joinTracks(replicas: Int, readyReplicas: Int) {
        self.replicas = max(0, replicas)
        self.readyReplicas = max(0, readyReplicas)
        readings = readings.mapValues { reading in
            SignalReading(total: reading.total, reporting: reading.reporting + reading.elsewhere, age: reading.age)
        }
        if let seen = latency {
            latency?.reporting = seen.reporting + seen.elsewhere
            latency?.elsewhere = 0
        }
        trafficReporting += trafficElsewhere
        trafficElsewhere = 0
        isBypassed = false
    }
}

/// The bounds of a schedule that is active.
public struct ScheduledBounds: Sendable, Hashable {
    /// The schedule's name.
    public var name: String
    /// The fewest replicas.
    public var minReplicas: Int?
    /// The most replicas.
    public var maxReplicas: Int?

    /// Bounds.
    public init(name: String, minReplicas: Int? = nil, maxReplicas: Int? = nil) {
        self.name = name
        self.minReplicas = minReplicas
        self.maxReplicas = maxReplicas
    }
}
