// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A way to a capacity: the largest forecast within a hold, times a margin, and never less than a base.
struct ScalingPlan: Sendable, Hashable {
    /// Which forecast, a position in `DemandForecast.names`.
    var forecast: Int
    /// Which hold, a position in `holds`.
    var hold: Int
    /// Which base, a position in `bases`.
    var base: Int
    /// Which margin, a position in `margins`.
    var margin: Int

    /// For how long a forecast is kept, as multiples of the hold: one cold start is the break-even of keeping against starting
    /// anew; five are for loads that come back.
    static let holds = [1.0, 5]
    /// The load that is always provided for, as the share of the time that it was enough for; 0 is none.
    static let bases = [0, 0.75, 0.9, 0.97]
    /// What a forecast is multiplied by; finest where smooth loads have their best one.
    static let margins = [0.85, 0.95, 1, 1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.25, 3]

    /// All plans; the margin changes fastest, then the base, the hold and the forecast.
    static let all: [ScalingPlan] = {
        var plans: [ScalingPlan] = []
        for forecast in DemandForecast.names.indices {
            for hold in holds.indices {
                for base in bases.indices {
                    for margin in margins.indices {
                        plans.append(ScalingPlan(forecast: forecast, hold: hold, base: base, margin: margin))
                    }
                }
            }
        }
        return plans
    }()

    /// The plan to begin with: the last minute and a third more.
    static let first =
        all.firstIndex {
            $0.forecast == DemandForecast.first && $0.hold == 0 && $0.base == 0 && margins[$0.margin] == 1.35
        } ?? 0

    /// In words: `60 s mean x 1.2, kept 5 times as long, at least what was enough 90 % of the time`.
    var text: String {
        var parts = ["\(DemandForecast.names[forecast]) x \(TargetTracking.text(Self.margins[margin]))"]
        if Self.holds[hold] != 1 { parts.append("kept \(TargetTracking.text(Self.holds[hold])) times as long") }
        if base > 0 {
            parts.append("at least what was enough \(TargetTracking.text(100 * Self.bases[base])) % of the time")
        }
        return parts.joined(separator: ", ")
    }
}
