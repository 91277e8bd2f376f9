// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// How the weight that a route gives to a model is shared between its two Services, in whole numbers.
///
/// | the route's other backends | weight of both | canary at 10 % |
/// | --- | --- | --- |
/// | none | 100, as no one else's share depends on it | 10 of 100 |
/// | some, both have 2 or more | what it was | the nearest whole number, at least 1, and the rest keeps 1 |
/// | some, both have 1 or 0 | what it was | 0: a part of it is no whole number |
struct WeightShare: Sendable, Equatable {
    /// The root Service's weight.
    var root: Int
    /// The canary Service's weight.
    var canary: Int

    /// Shares `total`, the present weight of both, so that the canary has `percent`; without others the total is 100.
    init(total: Int, percent: Int, hasOthers: Bool) {
        let total = hasOthers ? max(0, total) : 100
        var share = (total * percent + 50) / 100
        if (1...99).contains(percent) { share = min(max(1, share), max(0, total - 1)) }
        canary = share
        root = total - share
    }

    /// Why the canary can't have `percent` of one of the weights that a route gives to the model beside others' backends; `nil` where it can.
    /// - Parameter totals: the weights; one of 0 leads no request to the model, and is in the way of nothing but its own route.
    static func problem(totals: [Int], percent: Int, in route: TrafficObject) -> TrafficProblem? {
        guard (1...99).contains(percent), totals.contains(1) || !totals.isEmpty && totals.allSatisfy({ $0 == 0 }) else {
            return nil
        }
        let total = totals.contains(1) ? 1 : 0
        return .blocking(
            "RouteTooCoarse",
            "\(route) gives the model a weight of \(total) beside other backends, of which \(percent) % is no whole number: give all "
                + "of them weights that add up to 100 or more"
        )
    }

    /// Why the canary can't be given a share in a route that names the root Service more than once.
    static func ambiguity(_ route: TrafficObject, root: String) -> TrafficProblem {
        .blocking(
            "RouteAmbiguous",
            "\(route) has a rule that names the Service \"\(root)\" more than once, so its weights couldn't be put back: name it once, with "
                + "the sum of the weights"
        )
    }

    /// A weight as it is written, no more than what any route may say; `nil` where nothing is.
    static func weight(_ written: JSONValue?) -> Int? { written?.int.map { min(max(0, $0), Int(Int32.max)) } }

    /// The canary's share of the weight of both, in per cent, rounded; at least 1 when it has any weight, and at most
    /// 99 when the root has any. 0 where neither has a weight.
    static func percent(root: Int, canary: Int) -> Int {
        let total = root + canary
        guard total > 0, canary > 0 else { return 0 }
        if root <= 0 { return 100 }
        return min(max(1, (canary * 100 + total / 2) / total), 99)
    }
}
