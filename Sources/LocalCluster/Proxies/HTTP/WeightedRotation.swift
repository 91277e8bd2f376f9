// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Whose turn it is among parties with weights, as evenly spread as possible: of 100 turns in a row a weight of 10 in
/// 100 gets exactly 10.
///
/// Smooth weighted round robin, as nginx has it since its commit 52327e0627f4 ("Upstream: smooth weighted round-robin
/// balancing", 2012): everyone's credit grows by their weight, the largest credit has the turn and pays the sum of all
/// weights. The turns repeat after sum / gcd of the weights, so every window of that length is exact.
struct WeightedRotation: Sendable {
    /// The weights, none negative.
    let weights: [Int]
    private let total: Int
    private var credits: [Int]

    /// Starts a rotation; negative weights count as 0.
    init(_ weights: [Int]) {
        self.weights = weights.map { max(0, $0) }
        total = self.weights.reduce(0, +)
        credits = Array(repeating: 0, count: weights.count)
    }

    /// The index of the next turn; `nil` where all weights are 0. Of equal credits the first has the turn.
    mutating func next() -> Int? {
        guard total > 0 else { return nil }
        var best = 0
        for index in credits.indices {
            credits[index] += weights[index]
            if credits[index] > credits[best] { best = index }
        }
        credits[best] -= total
        return best
    }
}
