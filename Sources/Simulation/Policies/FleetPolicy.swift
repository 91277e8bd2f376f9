// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What a policy may look at: the fleet's metrics at one point in time. Totals only ever grow.
public struct FleetView: Sendable {
    /// The time since the start of the trace in seconds.
    public var seconds = 0.0
    /// The replicas that are asked for.
    public var desired = 0
    /// The replicas that are ready.
    public var ready = 0
    /// The replicas that are starting.
    public var loading = 0
    /// The requests that are being worked on.
    public var running = 0
    /// The requests that wait.
    public var waiting = 0
    /// The requests that have arrived so far.
    public var arrived = 0
    /// The requests that have been answered so far.
    public var completed = 0
    /// Those of them that took longer than the objective.
    public var late = 0
    /// The requests that have been rejected so far.
    public var rejected = 0
    /// The requests that servers' counters have had so far: a rejection is an answer too.
    public var counted: Int { completed + rejected }
    /// The seconds that all requests took that have been answered, their waits included.
    public var latencySeconds = 0.0
    /// The sum of the squares of these seconds.
    public var latencySquares = 0.0
    /// The integral of running and waiting requests over time, in request-seconds.
    public var outstandingSeconds = 0.0
    /// The integral of waiting requests over time, in request-seconds.
    public var waitingSeconds = 0.0
    /// The integral of ready replicas over time, in replica-seconds.
    public var readySeconds = 0.0
    /// How many replicas have become ready so far, and the seconds that they took together.
    public var starts = 0
    /// The seconds from decision to readiness, summed over all starts.
    public var startSeconds = 0.0
    /// The latencies of the requests that were answered since the last decision, where the policy asks for them; those of
    /// rejected ones are 0, as servers' histograms have them.
    public var latencies: LatencyBins?

    /// The view of an empty fleet.
    public init() {}

    /// Running and waiting requests.
    public var outstanding: Int { running + waiting }
}

/// When a policy looks and when it decides.
public struct PolicyTiming: Sendable, Hashable {
    /// The seconds between two looks at the metrics; at least 0.05.
    public var scrapeSeconds: Double
    /// The seconds between two decisions; at least 0.05.
    public var decisionSeconds: Double
    /// Whether each decision follows a look of its own. Otherwise both have phases of their own, and what is decided on is
    /// up to `scrapeSeconds` old.
    public var decidesOnScrape: Bool

    /// A timing.
    public init(scrapeSeconds: Double, decisionSeconds: Double) {
        self.scrapeSeconds = scrapeSeconds
        self.decisionSeconds = decisionSeconds
        decidesOnScrape = false
    }

    /// A decision after each look, every `seconds`.
    public init(everySeconds seconds: Double) {
        scrapeSeconds = seconds
        decisionSeconds = seconds
        decidesOnScrape = true
    }
}

/// Something that turns metrics into a replica count: a state machine that the fleet's model calls.
public protocol FleetPolicy: Sendable {
    /// The name on the command line and in reports.
    var name: String { get }
    /// When it looks and decides.
    var timing: PolicyTiming { get }
    /// Whether it needs `FleetView.latencies`.
    var needsLatencies: Bool { get }
    /// Whether the least loaded replicas go first when the count falls (pod deletion cost); otherwise the newest.
    var removesLeastLoaded: Bool { get }

    /// The metrics were read.
    mutating func observe(_ view: FleetView)
    /// The count to ask for; `nil` leaves it. Of `view`, only the replica counts are newer than the last `observe`.
    mutating func decide(_ view: FleetView) -> Int?
    /// A request arrived while no replica is asked for; the count to ask for at once.
    mutating func wake(_ view: FleetView) -> Int?
    /// Why the last decision came out as it did, in one line; empty when the policy doesn't say.
    var reason: String { get }
}

extension FleetPolicy {
    /// Most policies don't look at latency.
    public var needsLatencies: Bool { false }
    /// Most policies leave the choice to the ReplicaSet: the newest goes.
    public var removesLeastLoaded: Bool { false }
    /// Most policies wake up at their next decision.
    public mutating func wake(_ view: FleetView) -> Int? { nil }
    /// Most policies give no reason.
    public var reason: String { "" }
}
