// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@Suite("Wall time")
struct WallTimeTests {
    @Test(
        "reads and writes RFC 3339",
        arguments: [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-21T04:26:30Z", 1_795_235_190),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("1969-12-31T23:59:59Z", -1),
        ] as [(String, Int64)]
    )
    func roundTrip(text: String, seconds: Int64) {
        let time = WallTime(rfc3339: text)
        #expect(time == WallTime(nanoseconds: seconds * 1_000_000_000))
        #expect(time?.rfc3339 == text)
    }

    @Test("reads offsets and fractions")
    func offsets() {
        let expected = WallTime(rfc3339: "2026-01-01T00:00:00Z")
        #expect(WallTime(rfc3339: "2026-01-01T05:30:00+05:30") == expected)
        #expect(WallTime(rfc3339: "2025-12-31T19:00:00-05:00") == expected)
        #expect(WallTime(rfc3339: "2026-01-01t00:00:00.000z") == expected)
        let micro = WallTime(rfc3339: "2026-01-01T00:00:00.123456789Z")
        #expect(micro?.rfc3339Micro == "2026-01-01T00:00:00.123456Z")
        #expect(micro?.rfc3339 == "2026-01-01T00:00:00Z")
        #expect(WallTime(nanoseconds: -1).rfc3339Micro == "1969-12-31T23:59:59.999999Z")
    }

    @Test(
        "writes dates as HTTP has them",
        arguments: [
            ("1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 GMT"),
            ("2024-02-29T00:00:00Z", "Thu, 29 Feb 2024 00:00:00 GMT"),
        ]
    )
    func httpDate(text: String, date: String) {
        #expect(WallTime(rfc3339: text)?.httpDate == date)
    }

    @Test(
        "refuses what is no time",
        arguments: [
            "", "2026", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
            "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00+25:00", "2026-01-01 00:00:00Z", "9999-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z", "2026-01-01T00:00:00+0100", "２026-01-01T00:00:00Z",
        ]
    )
    func invalid(text: String) { #expect(WallTime(rfc3339: text) == nil) }

    @Test("adds and subtracts, and saturates at its ends")
    func arithmetic() {
        let time = WallTime(nanoseconds: 5)
        #expect(time + .nanoseconds(3) == WallTime(nanoseconds: 8))
        #expect(time - .nanoseconds(7) == WallTime(nanoseconds: -2))
        #expect(WallTime(nanoseconds: 8) - time == .nanoseconds(3))
        #expect(WallTime(nanoseconds: .max) + .seconds(1) == WallTime(nanoseconds: .max))
        #expect(WallTime(nanoseconds: .min) - .seconds(1) == WallTime(nanoseconds: .min))
        #expect(WallTime(nanoseconds: .max) - WallTime(nanoseconds: .min) == .nanoseconds(Int64.max))
        #expect(WallTime(seconds: .infinity) == WallTime(nanoseconds: .max))
    }

    @Test("every day from 1900 to 2100 is read back as it was written")
    func everyDay() {
        let day: Int64 = 86_400_000_000_000
        for number in Int64(-25_567)...Int64(47_482) {
            let time = WallTime(nanoseconds: number * day)
            #expect(WallTime(rfc3339: time.rfc3339) == time)
        }
    }
}

@Suite("Backoff")
struct BackoffTests {
    @Test(
        "follows the table of its documentation",
        arguments: [
            (1, 0.05), (2, 0.1), (3, 0.2), (5, 0.8), (8, 6.4), (12, 60), (13, 60), (1000, 60), (Int.max, 60),
        ] as [(Int, Double)]
    )
    func table(attempt: Int, seconds: Double) {
        let delay = Backoff(jitter: 0).delay(attempt: attempt, random: SeededRandom(seed: 1))
        #expect(abs(delay.inSeconds - seconds) < 1e-9)
    }

    @Test("jitter only shortens, and by no more than its share")
    func jitter() {
        let random = SeededRandom(seed: 7)
        let backoff = Backoff(initial: .seconds(1), maximum: .seconds(1), jitter: 0.5)
        let delays = (0..<1000).map { _ in backoff.delay(attempt: 1, random: random).inSeconds }
        #expect(delays.allSatisfy { $0 > 0.5 - 1e-9 && $0 <= 1 })
        #expect(Set(delays).count > 900)
    }
}

@Suite("Random sources")
struct RandomSourceTests {
    @Test("a seed gives the same numbers every time")
    func reproducible() {
        let first = SeededRandom(seed: 42)
        let second = SeededRandom(seed: 42)
        #expect((0..<100).allSatisfy { _ in first.next() == second.next() })
    }

    @Test("a UUID has the version and variant bits, and is unlike the next")
    func uuid() {
        let random = SeededRandom(seed: 1)
        var seen: Set<String> = []
        for _ in 0..<100 {
            let uuid = random.uuid()
            let parts = uuid.split(separator: "-")
            #expect(parts.map(\.count) == [8, 4, 4, 4, 12])
            #expect(parts[2].first == "4")
            #expect("89ab".contains(parts[3].first ?? "x"))
            seen.insert(uuid)
        }
        #expect(seen.count == 100)
    }
}

@Suite("Manual time", .timeLimit(.minutes(5)))
struct ManualTimeTests {
    @Test("wakes sleepers at their deadline, not before")
    func wakes() async throws {
        let time = ManualTime()
        async let slept: Void = time.sleep(for: .seconds(10))
        while time.sleeperCount < 1, !Task.isCancelled { await Task.yield() }
        time.advance(by: .seconds(9))
        #expect(time.sleeperCount == 1)
        time.advance(by: .seconds(1))
        #expect(time.sleeperCount == 0)
        try await slept
    }

    @Test("a cancelled sleeper wakes with an error, also when cancelled before it slept")
    func cancelled() async {
        for delayed in [false, true] {
            let time = ManualTime()
            let task = Task { try await time.sleep(for: .seconds(10)) }
            if delayed { while time.sleeperCount < 1, !Task.isCancelled { await Task.yield() } }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(time.sleeperCount == 0)
        }
    }

    @Test("no time passes without being told, and none is slept for zero")
    func zero() async throws {
        let time = ManualTime()
        let start = time.now()
        try await time.sleep(for: .zero)
        try await time.sleep(for: .seconds(-1))
        #expect(time.now() == start)
    }
}
