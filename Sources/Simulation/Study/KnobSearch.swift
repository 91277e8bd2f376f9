// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Searches our policies' knobs for the cheapest setting that meets the objective on a load.
///
/// The SLO policy has one knob, the price of a late request; a coarse grid of prices is refined below the cheapest that
/// meets. TargetTracking has two, the level per replica and the window for fewer replicas; all pairs are tried. What was found
/// holds for this load: whoever tunes to a load should check on another.
public struct KnobSearch: Sendable {
    /// A setting that was tried.
    public struct Trial: Sendable, Hashable {
        /// The policy.
        public var policy: PolicyChoice
        /// Its knobs.
        public var knobs: PolicyChoice.Knobs
        /// What came of it.
        public var result: RunResult

        /// The result under a name that tells it from the same policy with other knobs: `slo, late price 47.0`.
        public var namedResult: RunResult {
            var named = result
            named.policy = "\(policy.rawValue), \(knobs.text)"
            return named
        }
    }

    private static let prices = [1.0, 3, 10, 30, 100, 300, 1000]
    private static let refinements = 3
    private static let utilizations = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    private static let windows = [0.0, 60, 300]

    /// How many runs a search makes at most.
    public static var runs: Int { prices.count + refinements + utilizations.count * windows.count }

    /// All settings that were tried, in their order.
    public private(set) var trials: [Trial] = []
    /// The share of requests that has to be on time.
    public let goal: Double
    private let load: ComparisonCase

    /// A search that hasn't begun.
    public init(_ load: ComparisonCase) {
        self.load = load
        goal = load.settings.objectivePercentile / 100
    }

    /// The cheapest setting that meets the objective; of several that cost the same the one that has most on time. `nil` when
    /// none does.
    public var best: Trial? {
        trials.filter { $0.result.attainment >= goal }
            .min { ($0.result.replicaHours, -$0.result.attainment) < ($1.result.replicaHours, -$1.result.attainment) }
    }

    /// The setting that has most on time, the cheapest of them; `nil` before the search.
    public var safest: Trial? {
        trials.min { (-$0.result.attainment, $0.result.replicaHours) < (-$1.result.attainment, $1.result.replicaHours) }
    }

    /// Tries the settings. `progress` is told how many runs are done, with the share of the present one, and its policy.
    public mutating func run(progress: @escaping @Sendable (Double, PolicyChoice) -> Void = { _, _ in }) {
        for utilization in Self.utilizations {
            for window in Self.windows {
                var knobs = PolicyChoice.Knobs()
                knobs.utilization = utilization
                knobs.stabilizationSeconds = window
                attempt(.targetTracking, knobs, progress)
            }
        }
        for price in Self.prices { attempt(.slo, Self.knobs(price), progress) }
        // More on time for more money isn't certain, so only the gap below the cheapest that meets is looked into.
        guard let upper = cheapestPrice, var low = Self.prices.last(where: { $0 < upper }) else { return }
        var high = upper
        for _ in 0..<Self.refinements {
            let middle = (low * high).squareRoot()
            attempt(.slo, Self.knobs(Self.rounded(middle)), progress)
            let isMet = trials.last.map { $0.result.attainment >= goal } ?? false
            if isMet { high = middle } else { low = middle }
        }
    }

    private var cheapestPrice: Double? {
        trials.filter { $0.policy == .slo && $0.result.attainment >= goal }
            .min { $0.result.replicaHours < $1.result.replicaHours }?.knobs.latePrice
    }

    private mutating func attempt(
        _ policy: PolicyChoice,
        _ knobs: PolicyChoice.Knobs,
        _ progress: @escaping @Sendable (Double, PolicyChoice) -> Void
    ) {
        let done = Double(trials.count)
        let result = load.run(policy, knobs: knobs) { progress(done + $0, policy) }
        trials.append(Trial(policy: policy, knobs: knobs, result: result))
    }

    private static func knobs(_ price: Double) -> PolicyChoice.Knobs {
        var knobs = PolicyChoice.Knobs()
        knobs.latePrice = price
        return knobs
    }

    /// To two digits, so that the YAML is for people; prices are 1 to 1000.
    static func rounded(_ price: Double) -> Double {
        // Divided by ten, not multiplied by a tenth, which isn't exact.
        price < 10 ? (price * 10).rounded() / 10 : price < 100 ? price.rounded() : (price / 10).rounded() * 10
    }
}

extension KnobSearch.Trial {
    /// What to paste into a ModelDeployment.
    public func yaml(_ settings: FleetSettings) -> String {
        var lines = ["spec:", "  scaling:"]
        switch policy {
        case .slo:
            lines += [
                "    policy: SLO", "    objective:", "      latency:",
                "        percentile: \(Self.number(settings.objectivePercentile))",
                "        milliseconds: \(Self.number(settings.objectiveSeconds * 1000))",
            ]
            if let price = knobs.latePrice { lines.append("        latePrice: \(Self.number(price))") }
        default:
            lines += [
                "    policy: TargetTracking", "    targets:", "      - signal: InFlight",
                "        value: \(Self.number(Double(settings.concurrency) * knobs.utilization))",
            ]
            if let window = knobs.stabilizationSeconds {
                lines += [
                    "    behavior:", "      scaleDown:", "        stabilizationWindowSeconds: \(Self.number(window))",
                ]
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// At most three digits after the point, none that say nothing.
    private static func number(_ value: Double) -> String {
        for digits in 0..<3 {
            let text = Decimal.text(value, digits)
            if let read = Double(text), abs(read - value) < 5e-4 { return text }
        }
        return Decimal.text(value, 3)
    }
}
