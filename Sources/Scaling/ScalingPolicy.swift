// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The level of one signal to hold, per replica.
public struct ScalingTarget: Sendable, Hashable {
    /// The signal.
    public var signal: Signal
    /// The level per replica; more than 0.
    public var value: Double
    /// The total over all replicas up to which the model counts as idle; 0 or more.
    public var activation: Double

    /// A target.
    public init(signal: Signal, value: Double, activation: Double = 0) {
        self.signal = signal
        self.value = value
        self.activation = activation
    }
}

/// A count for times in which nothing can be read.
public struct ScalingFallback: Sendable, Hashable {
    /// After how many readings in a row that failed; at least 1.
    public var failureThreshold: Int
    /// The fewest replicas from then on; never lowers what there is.
    public var replicas: Int

    /// A fallback.
    public init(failureThreshold: Int, replicas: Int) {
        self.failureThreshold = Swift.max(1, failureThreshold)
        self.replicas = Swift.max(0, replicas)
    }
}

/// A latency that the given share of requests keeps below.
public struct LatencyObjective: Sendable, Hashable {
    /// The percentile: more than 0, less than 100.
    public var percentile: Double
    /// The latency in milliseconds; more than 0.
    public var milliseconds: Double
    /// What a late request costs, as a multiple of what it costs to serve one; `nil` is the SLO policy's default.
    public var latePrice: Double?

    /// An objective.
    public init(percentile: Double, milliseconds: Double, latePrice: Double? = nil) {
        self.percentile = percentile
        self.milliseconds = milliseconds
        self.latePrice = latePrice
    }
}

/// How far the replica count may move within a period, as in the HPA's `behavior`.
public struct ScalingLimit: Sendable, Hashable {
    /// What the value counts.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Replicas.
        case pods = "Pods"
        /// Percent of the count at the start of the period.
        case percent = "Percent"
    }

    /// What the value counts.
    public var kind: Kind
    /// The most change in one period; more than 0.
    public var value: Int
    /// The length of the period in seconds, 1 to 1800.
    public var periodSeconds: Int

    /// A limit.
    public init(kind: Kind, value: Int, periodSeconds: Int) {
        self.kind = kind
        self.value = value
        self.periodSeconds = periodSeconds
    }
}

/// The rules for one direction, as in the HPA's `behavior`.
public struct ScalingRules: Sendable, Hashable {
    /// Which of several limits counts.
    public enum Select: String, Sendable, Hashable, CaseIterable {
        /// The one that allows the largest change.
        case max = "Max"
        /// The one that allows the smallest change.
        case min = "Min"
        /// No change in this direction at all.
        case disabled = "Disabled"
    }

    /// For how many seconds an opposite recommendation is remembered, 0 to 3600.
    public var stabilizationWindowSeconds: Int
    /// The limits; none means no limit.
    public var limits: [ScalingLimit]
    /// Which limit counts.
    public var select: Select
    /// The relative distance from the target that is close enough.
    public var tolerance: Double

    /// Rules.
    public init(
        stabilizationWindowSeconds: Int,
        limits: [ScalingLimit],
        select: Select = .max,
        tolerance: Double = 0.1
    ) {
        self.stabilizationWindowSeconds = stabilizationWindowSeconds
        self.limits = limits
        self.select = select
        self.tolerance = tolerance
    }

    /// The HPA's defaults for more replicas: at once, by at most 4 pods or 100 % in 15 s, whichever is more.
    public static let defaultUp = ScalingRules(
        stabilizationWindowSeconds: 0,
        limits: [
            ScalingLimit(kind: .pods, value: 4, periodSeconds: 15),
            ScalingLimit(kind: .percent, value: 100, periodSeconds: 15),
        ]
    )

    /// No window and no limit: for a policy that has a memory and a margin of its own.
    public static let unlimited = ScalingRules(stabilizationWindowSeconds: 0, limits: [])

    /// The HPA's defaults for fewer replicas: the highest recommendation of the last 300 s.
    public static let defaultDown = ScalingRules(
        stabilizationWindowSeconds: 300,
        limits: [ScalingLimit(kind: .percent, value: 100, periodSeconds: 15)]
    )
}

/// What a model's `spec.scaling` asks for.
public struct ScalingPolicy: Sendable, Hashable {
    /// How signals become a count.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The HPA's rule over the targets; the largest answer wins.
        case targetTracking = "TargetTracking"
        /// A queueing model and a forecast that keep the latency objective; targets beside it may ask for more.
        case slo = "SLO"
        /// Thresholds and fixed factors.
        case rule = "Rule"
    }

    /// How signals become a count; `slo` without a latency objective acts as `targetTracking`.
    public var kind: Kind
    /// The fewest replicas; at least 0.
    public var minReplicas: Int
    /// The most replicas; at least `minReplicas`.
    public var maxReplicas: Int
    /// The levels to hold; the largest answer wins.
    public var targets: [ScalingTarget]
    /// The latency to keep.
    public var latency: LatencyObjective?
    /// The rules for more replicas.
    public var up: ScalingRules
    /// The rules for fewer replicas.
    public var down: ScalingRules
    /// The count for times in which nothing can be read.
    public var fallback: ScalingFallback?
    /// After how many seconds without a request the model goes to zero replicas; `nil` for never.
    public var idleSeconds: Int?
    /// Whether the count stays as it is.
    public var isPaused = false
    /// The seconds between two readings: of decisions that fail within so short a time one counts. 0 counts each.
    public var intervalSeconds = 0.0
    /// The cold start to start learning from, in seconds; `nil` where none was seen yet.
    public var coldStartSeconds: Double?

    /// A policy; bounds in the wrong order are put right in favour of `minReplicas`.
    /// - Parameters:
    ///   - kind: by default SLO with a latency objective, TargetTracking without.
    ///   - up: by default the HPA's rules, and none with SLO.
    ///   - down: by default the HPA's rules, and none with SLO.
    public init(
        minReplicas: Int,
        maxReplicas: Int,
        kind: Kind? = nil,
        targets: [ScalingTarget] = [],
        latency: LatencyObjective? = nil,
        up: ScalingRules? = nil,
        down: ScalingRules? = nil,
        fallback: ScalingFallback? = nil,
        idleSeconds: Int? = nil
    ) {
        let kind = kind ?? (latency == nil ? .targetTracking : .slo)
        self.kind = kind
        self.minReplicas = Swift.max(0, minReplicas)
        self.maxReplicas = Swift.max(self.minReplicas, maxReplicas)
        self.targets = targets
        self.latency = latency
        self.up = up ?? Self.defaultUp(kind)
        self.down = down ?? Self.defaultDown(kind)
        self.fallback = fallback
        self.idleSeconds = idleSeconds
    }

    /// The default rules for more replicas: the SLO policy has its own margin.
    public static func defaultUp(_ kind: Kind) -> ScalingRules { kind == .slo ? .unlimited : .defaultUp }

    /// The default rules for fewer replicas: the SLO policy has its own memory.
    public static func defaultDown(_ kind: Kind) -> ScalingRules { kind == .slo ? .unlimited : .defaultDown }

    /// `replicas` moved into the bounds.
    public func clamped(_ replicas: Int) -> Int { Swift.min(maxReplicas, Swift.max(minReplicas, replicas)) }

    /// The objective that the SLO policy keeps; `nil` with another policy.
    var keptObjective: LatencyObjective? { kind == .slo ? latency : nil }
}
