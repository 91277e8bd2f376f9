// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// Remembers recommendations, so that a short dip doesn't lower the count and a short peak may be waited out.
///
/// As in the HPA: the count rises to the lowest recommendation within the up window and falls to the highest within the
/// down window, the newest included. The first observation seeds the memory with the running count, so that a restart of
/// the operator lowers nothing before a whole window has passed.
///
/// Of equal recommendations in a row only the last time is kept: as long as one of them lies within a window, that one
/// does. A model whose load is steady needs no memory for it, however often it is looked at.
struct Stabilization: Sendable, Hashable {
    private struct Entry: Sendable, Hashable {
        var time: WallTime
        var replicas: Int
    }

    /// The most remembered recommendations: one a second over the longest window, and some.
    private static let limit = 4096
    private var entries: [Entry] = []

    /// The number of recommendations that are kept.
    var count: Int { entries.count }

    /// Remembers `recommendation` and answers what the windows allow from `current`.
    mutating func stabilized(
        _ recommendation: Int,
        current: Int,
        now: WallTime,
        policy: ScalingPolicy
    ) -> Int {
        if entries.isEmpty { entries.append(Entry(time: now, replicas: current)) }
        if entries.last?.replicas == recommendation { entries.removeLast() }
        entries.append(Entry(time: now, replicas: recommendation))
        let longest = max(policy.up.stabilizationWindowSeconds, policy.down.stabilizationWindowSeconds)
        entries.removeAll { $0.time < now - .seconds(longest) }
        if entries.count > Self.limit { entries.removeFirst(entries.count - Self.limit) }
        let upBound = bound(policy.up.stabilizationWindowSeconds, now, recommendation) { $0.min() }
        let downBound = bound(policy.down.stabilizationWindowSeconds, now, recommendation) { $0.max() }
        if current < upBound { return upBound }
        return current > downBound ? downBound : current
    }

    private func bound(_ seconds: Int, _ now: WallTime, _ newest: Int, _ pick: ([Int]) -> Int?) -> Int {
        let start = now - .seconds(seconds)
        return pick(entries.filter { $0.time > start }.map(\.replicas) + [newest]) ?? newest
    }
}

/// Remembers how the count changed, and limits how far it may move within a period (the HPA's `policies`).
struct RateLimit: Sendable, Hashable {
    private struct Change: Sendable, Hashable {
        var time: WallTime
        var delta: Int
    }

    /// The most remembered changes: one a second over the longest period (1800 s), and some.
    private static let limit = 2048
    private var changes: [Change] = []

    /// Remembers that the count moved by `delta` at `time`.
    mutating func record(delta: Int, at time: WallTime) {
        changes.append(Change(time: time, delta: delta))
        changes.removeAll { $0.time < time - .seconds(1800) }
        if changes.count > Self.limit { changes.removeFirst(changes.count - Self.limit) }
    }

    /// `wanted` moved towards `current` as far as the limits of its direction say: from what stood when the period began,
    /// changes in both directions counted (`calculateScaleUpLimitWithScalingRules` and its sibling, `horizontal.go`,
    /// Kubernetes 1.36, its arithmetic included).
    func limited(_ wanted: Int, current: Int, now: WallTime, up: ScalingRules, down: ScalingRules) -> Int {
        if wanted > current { return min(wanted, most(from: current, now: now, rules: up)) }
        return wanted < current ? max(wanted, fewest(from: current, now: now, rules: down)) : wanted
    }

    /// The most replicas that `rules` allow now; not below `current`.
    func most(from current: Int, now: WallTime, rules: ScalingRules) -> Int {
        max(current, edge(from: current, now: now, rules: rules, isUp: true) ?? .max)
    }

    /// The fewest replicas that `rules` allow now; not above `current`.
    func fewest(from current: Int, now: WallTime, rules: ScalingRules) -> Int {
        min(current, edge(from: current, now: now, rules: rules, isUp: false) ?? 0)
    }

    /// Where the limits end; `nil` without limits.
    private func edge(from current: Int, now: WallTime, rules: ScalingRules, isUp: Bool) -> Int? {
        if rules.select == .disabled { return current }
        let reach = rules.limits.map { limit -> Int in
            let start = Double(current - moved(within: limit.periodSeconds, now: now))
            let value = isUp ? Double(limit.value) : -Double(limit.value)
            let end: Double
            switch limit.kind {
            case .pods: end = start + value
            case .percent: end = (start * (1 + value / 100)).rounded(isUp ? .up : .towardZero)
            }
            return Int(min(max(end, 0), 1e9))
        }
        return isUp == (rules.select == .max) ? reach.max() : reach.min()
    }

    /// By how much the count has become more within the last `seconds`.
    private func moved(within seconds: Int, now: WallTime) -> Int {
        let start = now - .seconds(seconds)
        return changes.filter { $0.time > start }.reduce(0) { $0 + $1.delta }
    }
}
