// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// A time of the week, month or year with bounds of its own: from each `start` to the next `end`.
public struct ScalingSchedule: Sendable, Hashable {
    /// The bounds while it is active.
    public var bounds: ScheduledBounds
    /// When it begins.
    public var start: CronSchedule
    /// When it ends.
    public var end: CronSchedule
    /// The IANA name of the time zone that both are in; UTC by default.
    public var timeZone: String

    /// A schedule.
    public init(bounds: ScheduledBounds, start: CronSchedule, end: CronSchedule, timeZone: String = "UTC") {
        self.bounds = bounds
        self.start = start
        self.end = end
        self.timeZone = timeZone
    }

    /// Whether it is active: it began after it last ended.
    /// - Parameters:
    ///   - seconds: the time now, in seconds since the Unix epoch.
    ///   - offset: what the time zone adds to UTC now, in seconds.
    public func isActive(at seconds: Int64, offset: Int) -> Bool {
        let now = CronSchedule.Minute(localSeconds: seconds + Int64(offset))
        guard let began = start.last(before: now) else { return false }
        guard let ended = end.last(before: now) else { return true }
        return began > ended
    }
}
