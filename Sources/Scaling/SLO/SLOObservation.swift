// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// What the replicas of a model showed since the observation before: sums over the replicas that reported.
public struct SLOTraffic: Sendable, Hashable {
    /// The seconds that the counts cover, more than 0.
    public var intervalSeconds: Double
    /// The requests that arrived: those that were answered plus how much those in the replicas have become more.
    public var arrived: Double
    /// The requests that were answered.
    public var completed: Double
    /// Those of them that took longer than the objective.
    public var late: Double
    /// The requests that are being worked on.
    public var running: Double
    /// The requests that wait.
    public var waiting: Double
    /// The mean seconds of the requests that were answered, their waits included; `nil` where the server doesn't say and nothing ended.
    public var meanSeconds: Double?
    /// The squared coefficient of variation of the same seconds.
    public var serviceVariation: Double?
    /// Whether the server tells how many wait; where it doesn't, `running` are all that aren't answered, and `waiting` is 0.
    public var isQueueKnown: Bool

    /// Traffic.
    public init(
        intervalSeconds: Double,
        arrived: Double,
        completed: Double,
        late: Double = 0,
        running: Double,
        waiting: Double,
        meanSeconds: Double? = nil,
        serviceVariation: Double? = nil,
        isQueueKnown: Bool = true
    ) {
        self.intervalSeconds = intervalSeconds
        self.arrived = arrived
        self.completed = completed
        self.late = late
        self.running = running
        self.waiting = waiting
        self.meanSeconds = meanSeconds
        self.serviceVariation = serviceVariation
        self.isQueueKnown = isQueueKnown
    }

    /// Whether every number is one that a server can have: a negative or infinite one, or NaN, makes all of it missing.
    var isUsable: Bool {
        [intervalSeconds, arrived, completed, late, running, waiting].allSatisfy { $0.isFinite && $0 >= 0 && $0 < 1e12 }
            && intervalSeconds > 0
    }
}

/// Everything that the SLO policy decides from.
public struct SLOObservation: Sendable, Hashable {
    /// When it was made.
    public var time: WallTime
    /// The replicas that are asked for now.
    public var replicas: Int
    /// The replicas that are ready.
    public var readyReplicas: Int
    /// How many ready replicas reported; fewer than are ready means that `traffic` is partial.
    public var reporting: Int
    /// How many replicas of the model's other tracks are in `traffic` as well.
    public var reportingElsewhere: Int
    /// Whether only those get requests.
    public var isBypassed = false
    /// Which revision serves; another one may do more or less. `nil` where there is but one.
    public var revision: Int?
    /// What they showed; `nil` when nothing usable was read.
    public var traffic: SLOTraffic?
    /// The seconds from the decision to a ready replica for one that became ready since the last observation.
    public var coldStartSeconds: Double?

    /// An observation.
    public init(
        time: WallTime,
        replicas: Int,
        readyReplicas: Int,
        reporting: Int,
        reportingElsewhere: Int = 0,
        revision: Int? = nil,
        traffic: SLOTraffic?,
        coldStartSeconds: Double? = nil
    ) {
        self.time = time
        self.replicas = max(0, replicas)
        self.readyReplicas = max(0, readyReplicas)
        self.reporting = max(0, reporting)
        self.reportingElsewhere = max(0, reportingElsewhere)
        self.revision = revision
        self.traffic = traffic
        self.coldStartSeconds = coldStartSeconds
    }
}
