// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How the weight that a route gives to a model is shared between its two Services, in whole numbers.
///
/// | the route's other backends | weight of both | canary at 10 % |
/// | --- | --- | --- |
/// | none | 100, as no one else's share depends on it | 10 of 100 |
/// | some | what it was | the nearest whole number, at least 1 where the rest keeps 1 |
struct WeightShare: Sendable, Equatable {
    /// The root Service's weight.
    var root: Int
    /// The canary Service's weight.
    var canary: Int

    /// Shares `total`, the present weight of both, so that the canary has `percent`; without others the total is 100.
    init(total: Int, percent: Int, hasOthers: Bool) {
        let total = hasOthers ? max(0, total) : 100
        var share = (total * percent + 50) / 100
        if (1...99).contains(percent), total >= 2 { share = min(max(1, share), total - 1) }
        canary = share
        root = total - share
    }

    /// The canary's share of the weight of both, in per cent, rounded; at least 1 when it has any weight, and at most
    /// 99 when the root has any. 0 where neither has a weight.
    static func percent(root: Int, canary: Int) -> Int {
        let total = root + canary
        guard total > 0, canary > 0 else { return 0 }
        if root <= 0 { return 100 }
        return min(max(1, (canary * 100 + total / 2) / total), 99)
    }
}
