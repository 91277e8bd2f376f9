// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What a policy can reach when it is tuned: the cheapest setting for each attainment.
///
/// Built from runs with different settings. Between two settings next to each other the cost is interpolated; above the
/// best attainment of all there is no answer.
public struct AttainmentFront: Sendable, Hashable {
    private var points: [(attainment: Double, hours: Double)] = []

    /// The front of some runs.
    public init(_ results: [RunResult]) {
        for result in results.sorted(by: { ($0.attainment, -$0.replicaHours) > ($1.attainment, -$1.replicaHours) })
        where result.replicaHours < points.last?.hours ?? .infinity {
            points.append((result.attainment, result.replicaHours))
        }
        points.reverse()
    }

    /// The replica-hours for the share `attainment` on time; `nil` when no setting reaches it.
    public func hours(at attainment: Double) -> Double? {
        guard let upper = points.firstIndex(where: { $0.attainment >= attainment }) else { return nil }
        guard upper > 0 else { return points[0].hours }
        let low = points[upper - 1]
        let high = points[upper]
        let share = (attainment - low.attainment) / max(high.attainment - low.attainment, 1e-12)
        return low.hours + (high.hours - low.hours) * share
    }

    /// The best attainment of all settings; 0 without a run.
    public var best: Double { points.last?.attainment ?? 0 }

    /// Equal when the same points are on it.
    public static func == (left: AttainmentFront, right: AttainmentFront) -> Bool {
        left.points.map(\.attainment) == right.points.map(\.attainment)
            && left.points.map(\.hours) == right.points.map(\.hours)
    }

    /// Hashes the points.
    public func hash(into hasher: inout Hasher) { for point in points { hasher.combine(point.attainment) } }
}
