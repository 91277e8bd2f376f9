// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What the judge holds of a canary at one look.
public struct Judgement: Sendable, Hashable, Codable {
    /// The answer.
    public enum Verdict: String, Sendable, Hashable, Codable, CaseIterable {
        /// The canary is worse than the stable track, or beyond a limit.
        case worse = "Worse"
        /// The canary is not worse by more than the margins.
        case notWorse = "NotWorse"
        /// There are requests, but neither is certain.
        case inconclusive = "Inconclusive"
        /// There is nothing to compare.
        case noData = "NoData"
    }

    /// The answer.
    public var verdict: Verdict
    /// What was seen and what follows, one sentence for a person, without a full stop.
    public var reason: String
    /// How certain it is that the canary is worse, `0..<1`: one minus the largest probability with which a canary that
    /// isn't worse would ever have looked as bad as this one did.
    public var confidenceWorse: Double
    /// How certain it is that the canary is not worse by more than the margins, `0..<1`, for the measure that is least certain.
    public var confidenceNotWorse: Double

    /// A judgement.
    public init(verdict: Verdict, reason: String, confidenceWorse: Double = 0, confidenceNotWorse: Double = 0) {
        self.verdict = verdict
        self.reason = reason
        self.confidenceWorse = confidenceWorse
        self.confidenceNotWorse = confidenceNotWorse
    }
}

/// Shares and counts as the judge writes them.
enum JudgeText {
    /// `4.1 %`, with as many digits as tell the number from 0 and from 100.
    static func percent(_ share: Double) -> String {
        let hundred = share * 100
        for digits in [1.0, 10, 100, 1000] where hundred * digits >= 10 || digits == 1000 || hundred == 0 {
            let digits = hundred == 0 ? 1 : digits
            let rounded = (hundred * digits).rounded() / digits
            let text = rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
            return "\(text) %"
        }
        return "0 %"
    }

    /// `1 percentage point`, `2.5 percentage points`: a difference of shares.
    static func points(_ difference: Double) -> String {
        let number = String(percent(difference).dropLast(2))
        return "\(number) percentage point\(number == "1" ? "" : "s")"
    }

    /// `4.1 % (82/2000)`.
    static func count(_ count: HitCount) -> String {
        "\(percent(count.share ?? 0)) (\(count.hits)/\(count.trials))"
    }

    /// `99.7 %`: rounded down, since it is a promise.
    static func confidence(_ confidence: Double) -> String {
        let tenths = (confidence * 1000).rounded(.down)
        guard tenths < 999 else { return confidence > 0.999 ? "over 99.9 %" : "99.9 %" }
        let value = tenths / 10
        return value == value.rounded() ? "\(Int(value)) %" : "\(value) %"
    }

    /// `0.2 s` or `75 ms`.
    static func seconds(_ seconds: Double) -> String {
        guard seconds < 1 else { return "\((seconds * 1000).rounded() / 1000) s".replacingDotZero() }
        return "\((seconds * 1_000_000).rounded() / 1000) ms".replacingDotZero()
    }
}

extension String {
    fileprivate func replacingDotZero() -> String {
        let parts = split(separator: " ", maxSplits: 1)
        guard let number = parts.first, number.hasSuffix(".0"), parts.count == 2 else { return self }
        return "\(number.dropLast(2)) \(parts[1])"
    }
}
