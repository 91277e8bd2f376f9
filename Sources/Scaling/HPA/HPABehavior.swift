// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient

/// The count that a HorizontalPodAutoscaler writes for a recommendation, and what kept it from that.
public struct HPAAdjustment: Sendable, Hashable {
    /// Which recent recommendations held the count.
    public enum Stabilization: String, Sendable, Hashable {
        /// Lower ones keep it from rising.
        case up = "ScaleUpStabilized"
        /// Higher ones keep it from falling.
        case down = "ScaleDownStabilized"
    }

    /// What cut the stabilized count.
    public enum Limit: String, Sendable, Hashable {
        /// The rate of rising.
        case upRate = "ScaleUpLimit"
        /// The rate of falling.
        case downRate = "ScaleDownLimit"
        /// `maxReplicas`.
        case most = "TooManyReplicas"
        /// `minReplicas`.
        case fewest = "TooFewReplicas"
    }

    /// The count to write.
    public var count: Int
    /// `nil` where the recommendation was taken as it is.
    public var stabilization: Stabilization?
    /// `nil` where the stabilized count was taken as it is.
    public var limit: Limit?
}

/// What the HorizontalPodAutoscaler does with a recommendation before it writes it (`horizontal.go`, Kubernetes 1.36).
///
/// Without `behavior`: the largest recommendation of the last 300 s, then at most max(2 n, 4). With `behavior`: the
/// smallest of the up window, the largest of the down window, then the rate policies over the changes that were made. The
/// bounds come last: what is remembered is what was recommended, also beyond them.
public struct HPABehavior: Sendable, Hashable {
    private struct Entry: Sendable, Hashable {
        var seconds: Double
        var count: Int
    }

    /// The rules for more replicas; `nil` together with `down` means that the object has no `behavior`.
    public let up: ScalingRules?
    /// The rules for fewer replicas.
    public let down: ScalingRules?
    /// The controller's `--horizontal-pod-autoscaler-downscale-stabilization`, used without `behavior`.
    public let downscaleStabilizationSeconds: Int
    private var recommendations: [Entry] = []
    private var rateLimit = RateLimit()

    /// The behaviour of an object without `behavior`.
    public init(downscaleStabilizationSeconds: Int = 300) {
        up = nil
        down = nil
        self.downscaleStabilizationSeconds = downscaleStabilizationSeconds
    }

    /// The behaviour of an object with `behavior`.
    public init(up: ScalingRules = .defaultUp, down: ScalingRules = .defaultDown) {
        self.up = up
        self.down = down
        downscaleStabilizationSeconds = 300
    }

    /// The same rules with what `other` remembers: an object's history outlives changes of its `behavior`.
    public func remembering(_ other: HPABehavior) -> HPABehavior {
        var behavior = self
        behavior.recommendations = other.recommendations
        behavior.rateLimit = other.rateLimit
        return behavior
    }

    /// The count to write for a `recommendation`, from `current`; remembers the recommendation. Once the count is written,
    /// `scaled(from:to:seconds:)` is to be told.
    /// - Parameter bounds: `minReplicas` and `maxReplicas`, which `current` keeps to.
    public mutating func normalized(
        _ recommendation: Int,
        current: Int,
        bounds: ClosedRange<Int> = 0...Int.max,
        seconds: Double
    ) -> HPAAdjustment {
        if recommendations.isEmpty { recommendations.append(Entry(seconds: seconds, count: current)) }
        let stabilized = stabilized(recommendation, current: current, seconds: seconds)
        var adjustment = limited(stabilized, current: current, bounds: bounds, seconds: seconds)
        if stabilized != recommendation {
            adjustment.stabilization = up != nil && recommendation >= current ? .up : .down
        }
        return adjustment
    }

    /// The recommendation within the windows; remembers it.
    private mutating func stabilized(_ recommendation: Int, current: Int, seconds: Double) -> Int {
        guard let up, let down else { return withoutBehavior(recommendation, seconds: seconds) }
        let upStart = seconds - Double(up.stabilizationWindowSeconds)
        let downStart = seconds - Double(down.stabilizationWindowSeconds)
        var upBound = recommendation
        var downBound = recommendation
        for entry in recommendations {
            if entry.seconds > upStart { upBound = min(upBound, entry.count) }
            if entry.seconds > downStart { downBound = max(downBound, entry.count) }
        }
        remember(recommendation, seconds: seconds, keep: min(upStart, downStart))
        return max(upBound, min(downBound, current))
    }

    /// The stabilized count within the rates and the bounds.
    private func limited(_ count: Int, current: Int, bounds: ClosedRange<Int>, seconds: Double) -> HPAAdjustment {
        let now = WallTime(seconds: seconds)
        var most = max(2 * current, 4)
        var fewest = 0
        if let up, let down {
            // A rate limits its own direction alone.
            most = count > current ? rateLimit.most(from: current, now: now, rules: up) : .max
            fewest = count < current ? rateLimit.fewest(from: current, now: now, rules: down) : 0
        }
        let (top, bottom) = (min(most, bounds.upperBound), max(fewest, bounds.lowerBound))
        if count > top { return HPAAdjustment(count: top, limit: most < bounds.upperBound ? .upRate : .most) }
        if count < bottom {
            return HPAAdjustment(count: bottom, limit: fewest > bounds.lowerBound ? .downRate : .fewest)
        }
        return HPAAdjustment(count: count)
    }

    /// The count was written, whatever for: the rate policies count it (`storeScaleEvent`).
    public mutating func scaled(from old: Int, to new: Int, seconds: Double) {
        guard up != nil, old != new else { return }
        rateLimit.record(delta: new - old, at: WallTime(seconds: seconds))
    }

    private mutating func withoutBehavior(_ recommendation: Int, seconds: Double) -> Int {
        let start = seconds - Double(downscaleStabilizationSeconds)
        var stabilized = recommendation
        for entry in recommendations where entry.seconds >= start { stabilized = max(stabilized, entry.count) }
        remember(recommendation, seconds: seconds, keep: start)
        return stabilized
    }

    private mutating func remember(_ count: Int, seconds: Double, keep: Double) {
        recommendations.removeAll { $0.seconds < keep }
        recommendations.append(Entry(seconds: seconds, count: count))
    }
}
