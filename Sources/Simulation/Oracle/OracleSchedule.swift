// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The offline schedule with perfect knowledge, "oracle-A": achievable, so an upper bound on the optimum.
///
/// The demand of each second is rounded up to whole replicas and lowered, by a ceiling or by a factor (whichever is
/// cheaper), until just the wanted share of requests is still on time. For the rest the cheapest schedule is exact: demand
/// splits into layers, one a replica, and a layer bridges a gap if and only if the gap is shorter than a cold start.
public struct OracleSchedule: Sendable, Hashable {
    /// Why the wanted share isn't on time.
    public enum Shortfall: Sendable, Hashable {
        /// Only this share of the requests, 0 to 1, takes no longer than the objective when nobody waits.
        case service(share: Double)
        /// All of the most replicas, all of the time, aren't enough.
        case replicas(most: Int)
        /// There may be a schedule; this one isn't it.
        case schedule
    }

    /// The replicas that are ready in each second.
    public var replicas: [Int]
    /// What it costs, the cold starts included.
    public var replicaHours: Double
    /// The share of on-time requests in its own model.
    public var attainment: Double
    /// The replica-hours of work alone, done as quickly as replicas can: no schedule that answers everything is cheaper.
    public var workHours: Double
    /// Why the wanted share isn't on time; `nil` when it is.
    public var shortfall: Shortfall?

    /// The schedule for `profile` that has at least the share `attainment` on time, or as much as it can.
    public init(_ profile: DemandProfile, settings: FleetSettings, attainment goal: Double) {
        let work = profile.work ?? KnownWork(expected: settings)
        let known = settings.knowing(work)
        let search = OracleSearch(profile, settings: known, goal: goal)
        var best = search.best()
        if best.attainment < goal || best.hours < Double(profile.requests) / known.replicaRate / 3600 {
            // Too short a load, or too few replicas: what is left at the end is served after it.
            let longer = search.withTail().best()
            if longer.attainment >= min(goal, best.attainment) { best = longer }
        }
        replicas = best.replicas
        attainment = best.attainment
        replicaHours = best.hours
        workHours = Double(profile.requests) / known.largestRate / 3600
        if work.fittingShare < goal {
            shortfall = .service(share: work.fittingShare)
        } else if best.attainment < goal {
            shortfall = search.withTail().mayReachGoal ? .schedule : .replicas(most: settings.maxReplicas)
        }
    }

    /// The policy that follows the schedule.
    public func policy(coldStartSeconds: Double) -> SchedulePolicy {
        SchedulePolicy(name: "oracle", counts: replicas, stepSeconds: 1, leadSeconds: coldStartSeconds)
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
