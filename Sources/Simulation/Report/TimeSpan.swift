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
}
