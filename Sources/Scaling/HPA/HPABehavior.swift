// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient

/// What the HorizontalPodAutoscaler does with a recommendation before it writes it (`horizontal.go`, Kubernetes 1.36).
///
/// Without `behavior`: the largest recommendation of the last 300 s, then at most max(2 n, 4). With `behavior`: the
/// smallest of the up window, the largest of the down window, then the rate policies over the changes that were made.
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

    /// The count to write for a `recommendation`, from `current`; remembers the recommendation. Once the count is written,
    /// `scaled(from:to:seconds:)` is to be told.
    public mutating func normalized(_ recommendation: Int, current: Int, seconds: Double) -> Int {
        if recommendations.isEmpty { recommendations.append(Entry(seconds: seconds, count: current)) }
        guard let up, let down else { return withoutBehavior(recommendation, current: current, seconds: seconds) }
        let upStart = seconds - Double(up.stabilizationWindowSeconds)
        let downStart = seconds - Double(down.stabilizationWindowSeconds)
        var upBound = recommendation
        var downBound = recommendation
        for entry in recommendations {
            if entry.seconds > upStart { upBound = min(upBound, entry.count) }
            if entry.seconds > downStart { downBound = max(downBound, entry.count) }
        }
        remember(recommendation, seconds: seconds, keep: min(upStart, downStart))
        let stabilized = max(upBound, min(downBound, current))
        return rateLimit.limited(stabilized, current: current, now: WallTime(seconds: seconds), up: up, down: down)
    }

    /// The count was written, whatever for: the rate policies count it (`storeScaleEvent`).
    public mutating func scaled(from old: Int, to new: Int, seconds: Double) {
        guard up != nil, old != new else { return }
        rateLimit.record(delta: new - old, at: WallTime(seconds: seconds))
    }

    private mutating func withoutBehavior(_ recommendation: Int, current: Int, seconds: Double) -> Int {
        let start = seconds - Double(downscaleStabilizationSeconds)
        var stabilized = recommendation
        for entry in recommendations where entry.seconds >= start { stabilized = max(stabilized, entry.count) }
        remember(recommendation, seconds: seconds, keep: start)
        return min(stabilized, max(2 * current, 4))
    }

    private mutating func remember(_ count: Int, seconds: Double, keep: Double) {
        recommendations.removeAll { $0.seconds < keep }
        recommendations.append(Entry(seconds: seconds, count: count))
    }
}
