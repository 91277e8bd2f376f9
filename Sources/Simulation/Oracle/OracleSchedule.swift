// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The offline schedule with perfect knowledge, "oracle-A": achievable, so an upper bound on the optimum.
///
/// The demand of each second is rounded up to whole replicas and lowered, by a ceiling or by a factor (whichever is
/// cheaper), until just the wanted share of requests is still on time. For the rest the cheapest schedule is exact: demand
/// splits into layers, one a replica, and a layer bridges a gap if and only if the gap is shorter than a cold start.
public struct OracleSchedule: Sendable, Hashable {
    /// The replicas that are ready in each second.
    public var replicas: [Int]
    /// What it costs, the cold starts included.
    public var replicaHours: Double
    /// The share of on-time requests in its own model.
    public var attainment: Double
    /// The replica-hours of work alone: no schedule that answers everything is cheaper.
    public var workHours: Double

    /// The schedule for `profile` that has at least the share `attainment` on time.
    public init(_ profile: DemandProfile, settings: FleetSettings, attainment goal: Double) {
        let rate = settings.replicaRate
        let slack = max(0, settings.objectiveSeconds - settings.serviceTime.meanSeconds)
        let demand = profile.demand(replicaRate: rate, slack: slack)
        let peak = (demand.max() ?? 0).rounded(.up)
        let least = max(0, settings.minReplicas)
        func plan(_ level: (Double) -> Double) -> ([Int], Double) {
            let layers = Self.layered(
                demand.map { max(least, Int(level($0).rounded(.up))) },
                coldStart: settings.coldStartSeconds
            )
            return (layers, profile.attainment(replicas: layers, replicaRate: rate, slack: slack))
        }
        func clipped(_ ceiling: Double) -> ([Int], Double) { plan { min($0, ceiling) } }
        func scaled(_ factor: Double) -> ([Int], Double) { plan { $0 * factor } }
        let byCeiling = Self.smallest(in: 0...max(1, peak), tolerance: 0.5, goal: goal, clipped)
        let byFactor = Self.smallest(in: 0...1, tolerance: 0.004, goal: goal, scaled)
        let costs = [byCeiling, byFactor].map { Self.hours($0.0, coldStart: settings.coldStartSeconds) }
        let best = costs[0] <= costs[1] ? byCeiling : byFactor
        replicas = best.0
        attainment = best.1
        replicaHours = min(costs[0], costs[1])
        workHours = Double(profile.requests) / rate / 3600
    }

    /// The policy that follows the schedule.
    public func policy(coldStartSeconds: Double) -> SchedulePolicy {
        SchedulePolicy(name: "oracle", counts: replicas, stepSeconds: 1, leadSeconds: coldStartSeconds)
    }

    /// Bisects for the smallest level that reaches the goal; the largest when none does.
    private static func smallest(
        in range: ClosedRange<Double>,
        tolerance: Double,
        goal: Double,
        _ plan: (Double) -> ([Int], Double)
    ) -> ([Int], Double) {
        var low = range.lowerBound
        var high = range.upperBound
        var best = plan(high)
        while high - low > tolerance {
            let middle = (low + high) / 2
            let candidate = plan(middle)
            if candidate.1 >= goal {
                high = middle
                best = candidate
            } else {
                low = middle
            }
        }
        return best
    }

    /// Bridges the gaps of each layer that are shorter than a cold start.
    static func layered(_ demand: [Int], coldStart: Double) -> [Int] {
        var result = demand
        let gap = Int(coldStart.rounded(.up))
        // The last second at which each layer was on: a rise to k closes the gaps of all layers up to k. What is on from the
        // first second on has started for free, as the replicas that every policy begins with.
        var lastOn = Array(repeating: -1, count: demand.max() ?? 0)
        var previous = 0
        for second in demand.indices {
            let level = demand[second]
            if level > previous {
                for layer in previous..<level {
                    let off = second - lastOn[layer] - 1
                    if off > 0, off < gap {
                        for idle in lastOn[layer] + 1..<second { result[idle] = max(result[idle], layer + 1) }
                    }
                }
            }
            if level < previous { for layer in level..<previous { lastOn[layer] = second - 1 } }
            previous = level
        }
        return result
    }

    /// The replica-hours of a schedule: its seconds, and a cold start for each rise after the first second.
    static func hours(_ replicas: [Int], coldStart: Double) -> Double {
        var seconds = 0.0
        var starts = 0
        var previous = replicas.first ?? 0
        for count in replicas {
            seconds += Double(count)
            starts += max(0, count - previous)
            previous = count
        }
        return (seconds + Double(starts) * coldStart) / 3600
    }
}
