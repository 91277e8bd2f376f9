// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import Scaling

/// Which schedules are active: the only place that knows time zones.
enum ScheduleClock {
    /// The bounds of the schedules that are active at `time`, in their order; one in an unknown zone never is.
    static func active(_ schedules: [ScalingSchedule], at time: WallTime) -> [ScheduledBounds] {
        guard !schedules.isEmpty else { return [] }
        let seconds = Int64(time.seconds.rounded(.down))
        return schedules.compactMap { schedule in
            guard let offset = offset(of: schedule.timeZone, at: time) else { return nil }
            return schedule.isActive(at: seconds, offset: offset) ? schedule.bounds : nil
        }
    }

    /// The zones of `schedules` that nobody knows, in their order.
    static func unknownZones(_ schedules: [ScalingSchedule]) -> [String] {
        schedules.map(\.timeZone).filter { offset(of: $0, at: WallTime(nanoseconds: 0)) == nil }
    }

    /// What a zone adds to UTC at `time`, in seconds; `nil` for an unknown one.
    static func offset(of zone: String, at time: WallTime) -> Int? {
        if zone == "UTC" { return 0 }
        return TimeZone(identifier: zone)?.secondsFromGMT(for: Date(timeIntervalSince1970: time.seconds))
    }
}
