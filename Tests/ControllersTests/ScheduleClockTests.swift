// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Scaling
import Testing

@testable import Controllers

@Suite("Schedules and the clock")
struct ScheduleClockTests {
    /// Whether a schedule in Berlin is active at each of some times (UTC).
    private static func active(_ start: String, _ end: String, _ times: [String]) throws -> [Bool] {
        let schedule = ScalingSchedule(
            bounds: ScheduledBounds(name: "night", minReplicas: 5),
            start: try #require(CronSchedule(start)),
            end: try #require(CronSchedule(end)),
            timeZone: "Europe/Berlin"
        )
        return try times.map { text in
            let time = try #require(WallTime(rfc3339: text))
            return !ScheduleClock.active([schedule], at: time).isEmpty
        }
    }

    @Test("a zone that nobody knows is named")
    func unknownZone() {
        func schedule(_ zone: JSONValue) -> JSONValue {
            ["name": "s", "start": "0 8 * * *", "end": "0 18 * * *", "timeZone": zone, "minReplicas": 2]
        }
        let schedules: JSONValue = .array(["Europe/Berlin", "Mars/Base", "UTC"].map(schedule))
        let model = OperatorHarness.model(spec: ["scaling": ["schedules": schedules]])
        let warnings = ModelDeployment(model).zoneWarnings
        #expect(warnings.count == 1 && warnings[0].hasPrefix("the time zone Mars/Base of spec.scaling.schedules isn't"))
    }

    @Test("what begins in the hour that is repeated in autumn goes on through the second one")
    func beginsInAutumn() throws {
        // At 01:00 UTC the clock goes from 03:00 back to 02:00.
        let times = [
            "2026-10-25T00:29:00Z", "2026-10-25T00:30:00Z", "2026-10-25T00:59:59Z", "2026-10-25T01:00:00Z",
            "2026-10-25T01:29:00Z", "2026-10-25T01:31:00Z", "2026-10-25T02:00:00Z", "2026-10-25T18:59:00Z",
            "2026-10-25T19:00:00Z",
        ]
        #expect(
            try Self.active("30 2 * * *", "0 20 * * *", times) == [
                false, true, true, true, true, true, true, true, false,
            ]
        )
    }

    @Test("what ends in the hour that is repeated in autumn doesn't begin again")
    func endsInAutumn() throws {
        let times = [
            "2026-10-25T00:29:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:29:00Z",
            "2026-10-25T01:30:00Z", "2026-10-25T03:00:00Z",
        ]
        #expect(
            try Self.active("0 20 * * *", "30 2 * * *", times) == [true, false, false, false, false, false]
        )
    }

    @Test("what begins in the hour that is left out in spring begins when it is over")
    func beginsInSpring() throws {
        // At 01:00 UTC the clock goes from 02:00 to 03:00.
        let times = ["2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-03-29T17:59:00Z", "2026-03-29T18:00:00Z"]
        #expect(try Self.active("30 2 * * *", "0 20 * * *", times) == [false, true, true, false])
    }

    @Test("the clock never goes back, and is the zone's own two hours later")
    func forward() throws {
        let change = try #require(WallTime(rfc3339: "2026-10-25T01:00:00Z"))
        let middle = Int64(change.seconds)
        var last: Int64 = 0
        for second in stride(from: middle - 10_800, through: middle + 10_800, by: 60) {
            let offset = try #require(ScheduleClock.forwardOffset(of: "Europe/Berlin", at: second))
            #expect(second + Int64(offset) >= last)
            last = second + Int64(offset)
            if second < middle { #expect(offset == 7200) }
            if second >= middle + 3600 { #expect(offset == 3600) }
        }
    }
}
