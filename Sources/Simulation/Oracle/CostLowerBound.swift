// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What no schedule can undercut where all requests take the same work: neither in a run, request by request, nor in the flow
/// model in which `OracleSchedule` is achievable.
///
/// Take all windows of w seconds, one for each second. The requests of a window that are on time are worked on in it and in the
/// objective W after it, so the mean count x(o) of replicas over those w + W seconds has to fit them, but for excused ones. A
/// second lies in at most w + W such windows, so the sum of the x(o) is no more than the replica-seconds; a moving mean
/// rises no more than what it is a mean of, so their rises are no more than the starts; and an excused request is in at most w windows.
/// With a price for each excused request instead of the limit on their number (a Lagrange multiplier: any price gives a valid bound,
/// the best one is searched) the problem splits into layers of replicas, each on or off in every second, which are solved exactly.
/// A layer costs no more the higher it is, so each counts for the slice just below its height.
///
/// Of a long load the seconds are taken together in steps, and W in whole ones: a bound all the same, if a lower one.
public enum CostLowerBound {
    /// The most steps that a load is divided into: a day has steps of a second.
    private static let stepLimit = 86_400

    /// The replica-hours that every schedule needs which has the share `attainment` on time. Never less than the work that has to be
    /// done in time.
    public static func hours(_ profile: DemandProfile, settings: FleetSettings, attainment: Double) -> Double {
        hours(profile, settings: settings, attainment: attainment, stepLimit: stepLimit)
    }

    /// The same with at most `stepLimit` steps.
    static func hours(
        _ profile: DemandProfile,
        settings: FleetSettings,
        attainment: Double,
        stepLimit: Int
    ) -> Double {
        let step = max(1, (profile.counts.count + stepLimit - 1) / stepLimit)
        let counts = steps(profile.counts, of: step)
        let rate = settings.largestRate
        // A replica that isn't full yet starts requests which are done sooner than those beside them later on.
        let spare = settings.occupancySlope > 0 ? Double(settings.concurrency) / rate : 0
        let wait = Int(((settings.objectiveSeconds + spare) / Double(step)).rounded(.up))
        let requests = Double(profile.requests)
        var best = max(0, min(1, attainment)) * requests / rate
        for width in [1, 4, 16, 64, 256] where width <= counts.count {
            let capacity = rate * Double((width + wait) * step)
            let demand = windowSums(counts, width: width).map { Double($0) / capacity }
            let excused = Double(width) * (1 - max(0, min(1, attainment))) * requests / capacity
            let coldStart = settings.coldStartSeconds / Double(step)
            best = max(best, seconds(demand, excused: excused, coldStart: coldStart) * Double(step))
        }
        return best / 3600
    }

    private static func steps(_ counts: [Int], of width: Int) -> [Int] {
        guard width > 1 else { return counts }
        return stride(from: 0, to: counts.count, by: width).map { start in
            counts[start..<min(start + width, counts.count)].reduce(0, +)
        }
    }

    /// The least of the sum of x, plus a cold start for each rise, where x is at least `demand` but for `excused` in sum: from below.
    static func seconds(_ demand: [Double], excused: Double, coldStart: Double) -> Double {
        // Concave in the price: a golden section finds the best one. Beyond a price of a whole cold start for a second of a
        // missing replica nothing is excused any more.
        let ratio = 0.618_033_988_749_895
        func bound(_ exponent: Double) -> Double {
            let price = exponential(exponent)
            return layers(demand, price: price, coldStart: coldStart) - price * excused
        }
        var (low, high) = (-3.0, naturalLogarithm(2 + max(0, coldStart)))
        var (left, right) = (high - ratio * (high - low), low + ratio * (high - low))
        var (atLeft, atRight) = (bound(left), bound(right))
        var best = max(0, bound(high), atLeft, atRight)
        for _ in 0..<12 {
            if atLeft > atRight {
                (high, right, atRight) = (right, left, atLeft)
                left = high - ratio * (high - low)
                atLeft = bound(left)
            } else {
                (low, left, atLeft) = (left, right, atRight)
                right = low + ratio * (high - low)
                atRight = bound(right)
            }
            best = max(best, atLeft, atRight)
        }
        return best
    }

    /// All layers' costs, when a second of a missing replica costs `price`.
    private static func layers(_ demand: [Double], price: Double, coldStart: Double) -> Double {
        let peak = demand.max() ?? 0
        let height = max(0.25, peak / 200)
        var total = 0.0
        var level = height
        while level < peak {
            // The first seconds are free to start with, as for every policy.
            var (on, off) = (0.0, 0.0)
            for need in demand {
                let (wasOn, wasOff) = (on, off)
                on = 1 + min(wasOn, wasOff + coldStart)
                off = min(wasOff, wasOn) + (need > level ? price : 0)
            }
            total += height * min(on, off)
            level += height
        }
        return total
    }

    private static func windowSums(_ counts: [Int], width: Int) -> [Int] {
        var sum = counts.prefix(width).reduce(0, +)
        var sums = [sum]
        for end in width..<max(width, counts.count) {
            sum += counts[end] - counts[end - width]
            sums.append(sum)
        }
        return sums
    }
}
