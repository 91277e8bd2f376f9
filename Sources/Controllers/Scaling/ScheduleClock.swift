// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
public import FleetAPI
import Foundation
import Scaling

/// Which schedules are active: the only place that knows time zones.
enum ScheduleClock {
    /// The bounds of the schedules that are active at `time`, in their order; one in an unknown zone never is.
    static func active(_ schedules: [ScalingSchedule], at time: WallTime) -> [ScheduledBounds] {
        guard !schedules.isEmpty else { return [] }
        let seconds = Int64(time.seconds.rounded(.down))
        return schedules.compactMap { schedule in
            guard let offset = forwardOffset(of: schedule.timeZone, at: seconds) else { return nil }
            return schedule.isActive(at: seconds, offset: offset) ? schedule.bounds : nil
        }
    }

    /// The zones of `schedules` that nobody knows, in their order.
    static func unknownZones(_ schedules: [ScalingSchedule]) -> [String] {
        schedules.map(\.timeZone).filter { offset(of: $0, at: WallTime(nanoseconds: 0)) == nil }
    }

    /// What a zone adds to UTC at `seconds` since 1970 on a clock that never goes back: while a zone goes through an hour a
    /// second time, as at the end of summer time, this clock stands still, so that what began or ended in it stays so.
    static func forwardOffset(of zone: String, at seconds: Int64) -> Int? {
        func offset(_ seconds: Int64) -> Int? { Self.offset(of: zone, at: WallTime(seconds: Double(seconds))) }
        var before = seconds - longestRepetition
        guard let now = offset(seconds), let earlier = offset(before) else { return nil }
        guard earlier > now else { return now }
        var after = seconds
        while after - before > 1 {
            let middle = (before + after) / 2
            if offset(middle) == earlier { before = middle } else { after = middle }
        }
        return max(now, earlier - Int(seconds - before))
    }

    /// What is repeated is two hours at most (Antarctica/Troll), in seconds.
    private static let longestRepetition: Int64 = 7200

    /// What a zone adds to UTC at `time`, in seconds; `nil` for an unknown one.
    static func offset(of zone: String, at time: WallTime) -> Int? {
        if zone == "UTC" { return 0 }
        return TimeZone(identifier: zone)?.secondsFromGMT(for: Date(timeIntervalSince1970: time.seconds))
    }
}

extension ModelDeployment {
    /// A remark on each schedule whose time zone nobody knows here.
    public var zoneWarnings: [String] {
        ScheduleClock.unknownZones(schedules).map {
            "the time zone \($0) of spec.scaling.schedules isn't known, so that schedule never begins"
        }
    }
}
