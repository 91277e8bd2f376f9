// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How many of some requests have a property: are errors, are slower than a bound.
public struct HitCount: Sendable, Hashable, Codable {
    /// The requests; not negative.
    public var trials: Int
    /// Those with the property, `0...trials`.
    public var hits: Int

    /// A count; out of range numbers are brought into it.
    public init(trials: Int = 0, hits: Int = 0) {
        self.trials = max(0, trials)
        self.hits = min(max(0, hits), self.trials)
    }

    /// The share with the property, `0...1`; `nil` without a request.
    public var share: Double? { trials > 0 ? Double(hits) / Double(trials) : nil }

    /// Both counts together; saturates.
    static func + (left: HitCount, right: HitCount) -> HitCount {
        let trials = left.trials.addingReportingOverflow(right.trials)
        let hits = left.hits.addingReportingOverflow(right.hits)
        return HitCount(
            trials: trials.overflow ? .max : trials.partialValue,
            hits: hits.overflow ? .max : hits.partialValue
        )
    }
}

/// The same count of both tracks over the same time: a 2×2 table.
public struct PairedCounts: Sendable, Hashable, Codable {
    /// The canary's requests.
    public var canary: HitCount
    /// The stable track's requests.
    public var stable: HitCount

    /// A table.
    public init(canary: HitCount = HitCount(), stable: HitCount = HitCount()) {
        self.canary = canary
        self.stable = stable
    }

    /// The requests of the track that had fewer.
    var fewest: Int { min(canary.trials, stable.trials) }

    /// Both tables together.
    static func + (left: PairedCounts, right: PairedCounts) -> PairedCounts {
        PairedCounts(canary: left.canary + right.canary, stable: left.stable + right.stable)
    }
}
