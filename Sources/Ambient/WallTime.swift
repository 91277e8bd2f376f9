// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, leap seconds ignored.
public struct WallTime: Sendable, Hashable, Comparable {
    /// Nanoseconds since the Unix epoch; negative before it.
    public var nanoseconds: Int64

    /// The point `nanoseconds` after the Unix epoch.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The point `seconds` after the Unix epoch; saturates outside the years 1677 to 2262.
    public init(seconds: Double) {
        let nanoseconds = (seconds * 1e9).rounded()
        self.nanoseconds = Int64(exactly: nanoseconds) ?? (seconds < 0 ? .min : .max)
    }

    /// Seconds since the Unix epoch.
    public var seconds: Double { Double(nanoseconds) / 1e9 }

    /// Earlier is smaller.
    public static func < (left: WallTime, right: WallTime) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The point `duration` later; saturates.
    public static func + (time: WallTime, duration: Duration) -> WallTime {
        let (sum, overflow) = time.nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        return WallTime(nanoseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }

    /// The point `duration` earlier; saturates.
    public static func - (time: WallTime, duration: Duration) -> WallTime { time + (.zero - duration) }

    /// The time from `right` to `left`; negative when `left` is the earlier one.
    public static func - (left: WallTime, right: WallTime) -> Duration {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(right.nanoseconds)
        return .nanoseconds(overflow ? (left < right ? .min : .max) : difference)
    }
}

extension Duration {
    /// The duration in nanoseconds, saturated to what an `Int64` holds (292 years).
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow2) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || overflow2 ? (seconds < 0 ? .min : .max) : sum
    }

    /// The duration in seconds.
    public var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    /// The duration in milliseconds.
    public var inMilliseconds: Double { inSeconds * 1000 }
}
