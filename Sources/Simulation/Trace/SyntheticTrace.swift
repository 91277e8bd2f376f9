// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The loads that the package carries: made from a formula, the same everywhere.
public enum SyntheticTrace: String, Sendable, Hashable, CaseIterable {
    /// Four hours; the rate goes 20, 60, 30, 80, 20 requests a second, each for 48 minutes.
    case step
    /// A day; a sine between 10 and 70 requests a second over the day, times noise that changes every 10 s
    /// (gamma, coefficient of variation 0.2).
    case sineWithNoise = "sine-with-noise"
    /// Six hours at 20 requests a second with three crowds: within 60 s to 160, that fades with a half-life of 10 minutes.
    case flashCrowd = "flash-crowd"

    /// The load: rates of a Poisson process in intervals of 10 s.
    public var trace: ArrivalTrace {
        let rates: [Double]
        switch self {
        case .step:
            let levels = [20.0, 60, 30, 80, 20]
            rates = (0..<1440).map { levels[$0 / 288] }
        case .sineWithNoise:
            var random = FastRandom(seed: 20_260_101)
            rates = (0..<8640).map { slot in
                let day = 40 - 30 * sine(2 * .pi * (Double(slot) / 8640 + 0.25))
                return day * random.gamma(shape: 25)
            }
        case .flashCrowd:
            rates = (0..<2160).map { slot in
                let now = Double(slot) * 10
                let crowds = [3600.0, 9000, 16_200].map { start -> Double in
                    let since = now - start
                    if since < 0 { return 0 }
                    if since < 60 { return 140 * since / 60 }
                    return 140 * exponential(-naturalLogarithm(2) * (since - 60) / 600)
                }
                return 20 + crowds.reduce(0, +)
            }
        }
        return ArrivalTrace(name: rawValue, rows: .rates(rates, variation: 1), binSeconds: 10)
    }
}
