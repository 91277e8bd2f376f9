// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// The autoscaler of one model: observations in, decisions out; it holds what has to be remembered between them.
///
/// The memory becomes numbers (`ScaleInputs`), and the decision is a pure function of these.
public struct Autoscaler: Sendable, Hashable {
    /// The most replicas that the SLO policy is told of: the real bound is applied after it, with its own reason.
    private static let unbounded = 1_000_000
    /// How far in the future a wake-up may lie and still be taken for one: clocks differ.
    private static let clockTolerance = Duration.seconds(300)

    /// What is asked for; may change between two decisions.
    public var policy: ScalingPolicy
    /// What the last decision followed from.
    public private(set) var lastInputs: ScaleInputs?
    private var stabilization = Stabilization()
    private var targetStabilization = Stabilization()
    private var rateLimit = RateLimit()
    private var slo: SLOAutoscaler?
    private var failures = FailedReadings()
    private var lastUsed: WallTime?
    private var naps = Naps()

    /// An autoscaler without a memory.
    public init(policy: ScalingPolicy) { self.policy = policy }

    /// Remembers that the count was changed, for the limits on how far it may move within a period.
    public mutating func didScale(from old: Int, to new: Int, at time: WallTime) {
        if old != new { rateLimit.record(delta: new - old, at: time) }
    }

    /// Decides.
    public mutating func decide(_ observation: ScaleObservation) -> ScaleDecision {
        var inputs = ScaleInputs(policy: policy, observation: observation, sizing: sizing(observation))
        failures.note(inputs.isFailedReading, at: observation.time, interval: policy.intervalSeconds)
        inputs.memory.failedReadings = failures.count
        naps.note(observation, lastUsed: lastUsed, wokenAt: Self.wake(observation), idleSeconds: policy.idleSeconds)
        inputs.memory.idleSeconds = naps.isEarly ? policy.idleSeconds.map(naps.limit) : nil
        noteUse(inputs)
        inputs.memory.unusedSeconds = lastUsed.map { max(0, (observation.time - $0).inSeconds) }
        remember(&inputs)
        lastInputs = inputs
        return inputs.decision()
    }

    /// What the SLO policy makes of the observation; `nil` with another policy.
    private mutating func sizing(_ observation: ScaleObservation) -> SLOSizing? {
        guard let objective = policy.keptObjective else {
            slo = nil
            return nil
        }
        var settings = SLOPolicy(
            objective: objective,
            minReplicas: policy.idleSeconds == nil ? policy.minReplicas : 0,
            maxReplicas: Self.unbounded
        )
        if let seconds = policy.coldStartSeconds { settings.coldStartSeconds = min(3600, max(0.1, seconds)) }
        // Taken out: its history is long, and with two that hold it a change would copy all of it.
        var autoscaler = slo.take() ?? SLOAutoscaler(policy: settings)
        autoscaler.policy = settings
        let (_, sizing) = autoscaler.decide(SLOObservation(observation))
        slo = autoscaler
        return sizing
    }

    /// A model is used while it has anything to do, while that isn't known, and while somebody waits for it. Without a replica
    /// of its own nothing has to be known; what another track's are seen to do is use.
    private mutating func noteUse(_ inputs: ScaleInputs) {
        let observation = inputs.observation
        if observation.replicas > 0 ? !inputs.isQuiet || lastUsed == nil : inputs.isWorking {
            lastUsed = observation.time
        }
        if let woken = Self.wake(observation) { lastUsed = max(lastUsed ?? woken, woken) }
    }

    /// When somebody last waited for the model; `nil` where nobody did, or it can't be.
    private static func wake(_ observation: ScaleObservation) -> WallTime? {
        guard let woken = observation.wokenAt, woken <= observation.time + clockTolerance else { return nil }
        return min(woken, observation.time)
    }

    private mutating func remember(_ inputs: inout ScaleInputs) {
        let current = inputs.observation.replicas
        let now = inputs.observation.time
        if inputs.policy.keptObjective != nil {
            // The targets beside an objective fall as they would alone.
            let counts = inputs.targetProposals.compactMap(\.replicas)
            if let largest = counts.max() {
                var rules = policy
                rules.up.stabilizationWindowSeconds = 0
                if policy.down.stabilizationWindowSeconds == 0 {
                    rules.down.stabilizationWindowSeconds = ScalingRules.defaultDown.stabilizationWindowSeconds
                }
                let held = targetStabilization.stabilized(largest, current: current, now: now, policy: rules)
                inputs.memory.targetsHeld = held
            }
        }
        let raw = inputs.raw().desired
        let stabilized = stabilization.stabilized(raw, current: current, now: now, policy: policy)
        inputs.memory.stabilized = stabilized
        inputs.memory.limited = rateLimit.limited(
            stabilized,
            current: current,
            now: now,
            up: policy.up,
            down: policy.down
        )
    }
}

/// How often in a row a model was woken early that had fallen asleep although it was asked for something, which counted as idle.
///
/// What is below a target's activation may come to the pods only (probes) and wake nobody, or be a load that a sleeping model is woken for.
/// A wake tells which it was: where it came sooner than the model had been awake for in vain, sleeping wasn't worth it, and the idle
/// time is twice as long from then on. A model that sleeps for longer has its usual idle time again.
struct Naps: Sendable, Hashable {
    /// The longest idle time that comes of this, in seconds: a model that is asked all the time is cold once a day at most.
    private static let longest = 86_400

    /// How many.
    private var early = 0
    /// When the model last had a replica; `nil` once somebody has waited since.
    private var awakeAt: WallTime?
    /// When anything was last asked of it, counted as idle or not.
    private var busyAt: WallTime?

    /// Whether the idle time is longer than what the policy says.
    var isEarly: Bool { early > 0 }

    /// The idle time, where the policy's is `seconds`.
    func limit(_ seconds: Int) -> Int { max(seconds, min(Self.longest, seconds << min(early, 16))) }

    /// Notes what is seen of a model that was used last at `lastUsed`, before what is seen now counts as use.
    mutating func note(_ observation: ScaleObservation, lastUsed: WallTime?, wokenAt: WallTime?, idleSeconds: Int?) {
        guard let idleSeconds else { return self = Naps() }
        if observation.replicas > 0 {
            awakeAt = observation.time
            if observation.readings.values.contains(where: { $0.total > 0 }) { busyAt = observation.time }
        } else if let asleep = awakeAt, let wokenAt, wokenAt > asleep {
            awakeAt = nil
            let wasAsked = busyAt.map { busy in lastUsed.map { busy > $0 } ?? true } ?? false
            let limit = limit(idleSeconds)
            guard wasAsked, wokenAt - asleep < .seconds(limit) else { return early = 0 }
            if limit < Self.longest { early += 1 }
        }
    }
}

/// The readings in a row that failed.
struct FailedReadings: Sendable, Hashable {
    /// How many.
    private(set) var count = 0
    /// When the last of them was counted.
    private var counted: WallTime?

    /// Notes whether a decision had no reading. A decision may come half an interval after the one before: of those within an interval one
    /// counts. (Three quarters, since intervals aren't exact.)
    mutating func note(_ isFailed: Bool, at time: WallTime, interval: Double) {
        guard isFailed else {
            self = FailedReadings()
            return
        }
        if let counted, (time - counted).inSeconds < 0.75 * interval { return }
        count += 1
        counted = time
    }
}

extension SLOObservation {
    /// What the SLO policy sees of an observation.
    fileprivate init(_ observation: ScaleObservation) {
        self.init(
            time: observation.time,
            replicas: observation.replicas,
            readyReplicas: observation.readyReplicas,
            reporting: observation.trafficReporting,
            reportingElsewhere: observation.trafficElsewhere,
            revision: observation.revision,
            traffic: observation.traffic,
            coldStartSeconds: observation.coldStartSeconds
        )
        isBypassed = observation.isBypassed
    }
}
