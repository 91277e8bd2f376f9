// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Spans of time for people.
enum TimeSpan {
    /// `seconds` in the unit that fits a whole of `whole` seconds: seconds below two minutes, minutes below two hours, else
    /// hours with `digits` digits after the point.
    static func text(_ seconds: Double, of whole: Double, digits: Int) -> String {
        if whole < 120 { return Decimal.text(seconds, 1) + " s" }
        if whole < 7200 { return Decimal.text(seconds / 60, 1) + " min" }
        return Decimal.text(seconds / 3600, digits) + " h"
    }

    /// The same without a zero after the point: `12 h`, `1.5 h`.
    static func short(_ seconds: Double, of whole: Double) -> String {
        text(seconds, of: whole, digits: 1).replacing(".0 ", with: " ")
    }

    /// Round moments from 0 to `end`, at most nine of them.
    static func marks(to end: Double) -> [Double] {
        var step = steps.first { end / $0 <= 8 } ?? 604_800
        while end / step > 8 { step *= 2 }
        return (0...Int(end / step)).map { Double($0) * step }
    }

    /// Spans that people count in, in seconds: up to a week.
    private static let steps: [Double] = [
        1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
        604_800,
    ]
}
