// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Scaling
import Testing

@Suite("Safety of scaling")
struct SafetyTests {
    static let start = WallTime(seconds: 1_000_000)

    private func policy(_ change: (inout ScalingPolicy) -> Void = { _ in }) -> ScalingPolicy {
        var policy = ScalingPolicy(
            minReplicas: 1,
            maxReplicas: 10,
            targets: [ScalingTarget(signal: .queueLength, value: 4), ScalingTarget(signal: .inFlight, value: 8)],
            up: .unlimited,
            down: .unlimited
        )
        change(&policy)
        return policy
    }

    private func seen(_ second: Int, replicas: Int, load: Double?) -> ScaleObservation {
        var observation = ScaleObservation(
            time: Self.start + .seconds(second),
            replicas: replicas,
            readyReplicas: replicas
        )
        if let load, replicas > 0 {
            observation.readings[.queueLength] = SignalReading(total: load, reporting: replicas)
            observation.readings[.inFlight] = SignalReading(total: load, reporting: replicas)
        }
        return observation
    }

    @Test("after as many failed readings as it says, the fallback is a floor, and it never lowers")
    func fallback() {
        var autoscaler = Autoscaler(
            policy: policy { $0.fallback = ScalingFallback(failureThreshold: 3, replicas: 6) }
        )
        #expect(autoscaler.decide(seen(0, replicas: 3, load: nil)).desired == 3)
        #expect(autoscaler.decide(seen(2, replicas: 3, load: nil)).desired == 3)
        let third = autoscaler.decide(seen(4, replicas: 3, load: nil))
        #expect(third.desired == 6)
        #expect(third.reason.code == "Fallback")
        #expect(third.reason.message.contains("raised to 6 by fallback after 3 readings that failed"))
        let held = autoscaler.decide(seen(6, replicas: 6, load: nil))
        #expect(held.desired == 6 && held.reason.code == "Fallback", "\(held.reason.code)")
        #expect(held.reason.message.hasSuffix("hold at 6, the fewest by fallback"), "\(held.reason.message)")
        let more = autoscaler.decide(seen(6, replicas: 9, load: nil))
        #expect(more.desired == 9 && more.reason.code == "MissingData")
        #expect(autoscaler.decide(seen(8, replicas: 6, load: 4)).desired == 1)
        #expect(autoscaler.decide(seen(10, replicas: 3, load: nil)).desired == 3)
    }

    @Test("while nothing is ready there is nothing to read, and that is no failed reading")
    func nothingReady() {
        var autoscaler = Autoscaler(
            policy: policy { $0.fallback = ScalingFallback(failureThreshold: 3, replicas: 6) }
        )
        for second in 0...10 {
            var loading = seen(second, replicas: 2, load: nil)
            loading.readyReplicas = 0
            #expect(autoscaler.decide(loading).desired == 2)
        }
    }

    /// The pages of the others show less load from the moment on that a new replica takes its share.
    @Test("a replica that is ready and not yet read keeps the count from falling, and from nothing else")
    func unread() throws {
        var observation = seen(0, replicas: 2, load: nil)
        observation.readyReplicas = 1
        observation.unreadReplicas = 1
        observation.readings[.queueLength] = SignalReading(total: 3.5, reporting: 1)
        observation.readings[.inFlight] = SignalReading(total: 3.5, reporting: 1)
        var autoscaler = Autoscaler(policy: policy())
        #expect(autoscaler.decide(observation).desired == 2)
        let recorded = try #require(autoscaler.lastInputs)
        #expect(ScaleInputs(recorded.json)?.decision() == recorded.decision())
        observation.readings[.queueLength]?.total = 30
        #expect(autoscaler.decide(observation).desired == 8)
        observation.readings[.queueLength]?.total = 3.5
        observation.unreadReplicas = 0
        var fresh = Autoscaler(policy: policy())
        #expect(fresh.decide(observation).desired == 1, "as one that loads for ever")
    }

    @Test("replicas that are just new hold the count, and that is no lack of data")
    func new() throws {
        var observation = seen(0, replicas: 4, load: 3)
        observation.readyReplicas = 2
        observation.readings[.queueLength]?.reporting = 2
        observation.readings[.inFlight]?.reporting = 2
        observation.unreadReplicas = 2
        observation.newReplicas = 2
        var autoscaler = Autoscaler(policy: policy())
        let held = autoscaler.decide(observation)
        #expect(held.desired == 4 && held.reason.code == "Unread")
        #expect(held.reason.message.hasSuffix("want 1, held at 4: 2 new replicas weren't read yet"))
        let recorded = try #require(autoscaler.lastInputs)
        #expect(ScaleInputs(recorded.json)?.decision() == held)
        observation.unreadReplicas = 3
        #expect(autoscaler.decide(observation).reason.code == "MissingData", "one of another revision isn't just new")
        observation.unreadReplicas = 2
        observation.missing = [MissingReplica(pod: "a", reason: "slow")]
        #expect(autoscaler.decide(observation).reason.code == "MissingData")
        var fresh = seen(0, replicas: 4, load: nil)
        fresh.readyReplicas = 0
        fresh.unreadReplicas = 4
        fresh.newReplicas = 4
        let first = autoscaler.decide(fresh)
        #expect(first.desired == 4 && first.reason.code == "Unread")
        #expect(first.reason.message.contains("no replica was read yet"))
    }

    @Test("of the decisions within an interval that have no reading one counts")
    func failuresWithinAnInterval() {
        var autoscaler = Autoscaler(
            policy: policy {
                $0.fallback = ScalingFallback(failureThreshold: 3, replicas: 6)
                $0.intervalSeconds = 10
            }
        )
        for (second, desired) in [(0, 3), (5, 3), (10, 3), (15, 3), (20, 6)] {
            #expect(autoscaler.decide(seen(second, replicas: 3, load: nil)).desired == desired, "\(second) s")
        }
        #expect(autoscaler.decide(seen(25, replicas: 3, load: 12)).desired == 3, "read again: it counts from the start")
        for (second, desired) in [(30, 3), (40, 3), (50, 6)] {
            #expect(autoscaler.decide(seen(second, replicas: 3, load: nil)).desired == desired, "\(second) s")
        }
    }

    @Test("paused holds at the present count, whatever the load")
    func paused() {
        var autoscaler = Autoscaler(policy: policy { $0.isPaused = true })
        let decision = autoscaler.decide(seen(0, replicas: 3, load: 100))
        #expect(decision.desired == 3)
        #expect(decision.reason.code == "Paused")
        #expect(decision.reason.message.contains("held at 3: paused"))
        #expect(autoscaler.decide(seen(2, replicas: 3, load: 12)).reason.code == "Paused", "also where nothing changes")
    }

    @Test("bounds in the wrong order are put right in favour of minReplicas")
    func wrongOrder() {
        let policy = ScalingPolicy(minReplicas: 5, maxReplicas: 2)
        #expect(policy.maxReplicas == 5)
        #expect(policy.clamped(1) == 5 && policy.clamped(9) == 5)
        #expect(ScalingPolicy(minReplicas: -1, maxReplicas: 2).minReplicas == 0)
    }

    @Test("schedules set a floor or a ceiling within the bounds")
    func schedules() {
        var autoscaler = Autoscaler(policy: policy())
        func desired(_ load: Double, _ bounds: ScheduledBounds...) -> Int {
            var observation = seen(0, replicas: 3, load: load)
            observation.schedules = bounds
            return autoscaler.decide(observation).desired
        }
        #expect(desired(0, ScheduledBounds(name: "day", minReplicas: 5)) == 5)
        #expect(desired(0, ScheduledBounds(name: "day", minReplicas: 50)) == 10)
        #expect(desired(32, ScheduledBounds(name: "day", minReplicas: 5)) == 8, "a floor lowers nothing")
        #expect(desired(400, ScheduledBounds(name: "night", maxReplicas: 2)) == 2)
        #expect(desired(4, ScheduledBounds(name: "night", maxReplicas: 8)) == 1, "a ceiling raises nothing")
        #expect(desired(0, ScheduledBounds(name: "a", minReplicas: 4), ScheduledBounds(name: "b", minReplicas: 6)) == 6)
    }

    @Test("an idle model goes to zero after its time, and comes back when somebody asks for it")
    func scaleToZero() {
        var autoscaler = Autoscaler(policy: policy { $0.idleSeconds = 60 })
        #expect(autoscaler.decide(seen(0, replicas: 2, load: 3)).desired == 1)
        let kept = autoscaler.decide(seen(30, replicas: 1, load: 0))
        #expect(kept.desired == 1 && kept.reason.message.hasSuffix("kept at 1 for another 30 s"))
        #expect(autoscaler.decide(seen(58, replicas: 1, load: 0)).desired == 1)
        let idle = autoscaler.decide(seen(62, replicas: 1, load: 0))
        #expect(idle.desired == 0)
        #expect(idle.reason.code == "Idle")
        #expect(idle.reason.message.hasSuffix("want 0, no request for 62 s"), "\(idle.reason.message)")
        let atRest = autoscaler.decide(seen(64, replicas: 0, load: nil))
        #expect(atRest.desired == 0 && !atRest.reason.message.contains("no request for"))
        var asked = seen(70, replicas: 0, load: nil)
        asked.wokenAt = Self.start + .seconds(69)
        let woken = autoscaler.decide(asked)
        #expect(woken.desired == 1)
        #expect(woken.reason.code == "Woken")
        #expect(woken.reason.message.contains("up to 1: a request waits"))
        // It loads: nothing reports, and that is no idleness.
        var loading = seen(200, replicas: 1, load: nil)
        loading.readyReplicas = 0
        loading.wokenAt = asked.wokenAt
        #expect(autoscaler.decide(loading).desired == 1)
        var quiet = seen(210, replicas: 1, load: 0)
        quiet.wokenAt = asked.wokenAt
        #expect(autoscaler.decide(quiet).desired == 1)
        quiet.time = Self.start + .seconds(261)
        #expect(autoscaler.decide(quiet).desired == 0)
    }

    @Test(
        "zero needs certainty",
        arguments: [
            ("a replica is silent", 1, 0.0), ("a request is in work", 2, 1), ("a signal is NaN", 2, .nan),
            ("a signal is negative", 2, -1),
        ]
    )
    func certainty(name: String, reporting: Int, load: Double) {
        var autoscaler = Autoscaler(policy: policy { $0.idleSeconds = 60 })
        for second in stride(from: 0, through: 600, by: 10) {
            var observation = seen(second, replicas: 2, load: load)
            observation.readings[.inFlight]?.reporting = reporting
            #expect(autoscaler.decide(observation).desired >= 1, "\(name)")
        }
    }

    @Test("a model with a replica that loads, or that wasn't read, isn't idle")
    func idleUnseen() {
        for change in [{ $0.replicas = 3 }, { $0.unreadReplicas = 1 }] as [@Sendable (inout ScaleObservation) -> Void] {
            var autoscaler = Autoscaler(policy: policy { $0.idleSeconds = 60 })
            for second in stride(from: 0, through: 600, by: 10) {
                var observation = seen(second, replicas: 2, load: 0)
                change(&observation)
                #expect(autoscaler.decide(observation).desired >= 1)
            }
        }
    }

    @Test("a model that may go to zero keeps to minReplicas while it is used, and wakes also where that is 0")
    func fewestInUse() {
        var autoscaler = Autoscaler(
            policy: policy { ($0.minReplicas, $0.idleSeconds) = (2, 60) }
        )
        #expect(autoscaler.decide(seen(0, replicas: 4, load: 1)).desired == 2)
        var none = Autoscaler(policy: policy { ($0.minReplicas, $0.idleSeconds) = (0, 60) })
        #expect(none.decide(seen(0, replicas: 0, load: nil)).desired == 0)
        var asked = seen(2, replicas: 0, load: nil)
        asked.wokenAt = Self.start + .seconds(1)
        #expect(none.decide(asked).desired == 1)
    }

    @Test("a wake-up by a clock that is a little ahead counts as one of now")
    func clockAhead() {
        var autoscaler = Autoscaler(policy: policy { $0.idleSeconds = 60 })
        var woken = seen(0, replicas: 0, load: nil)
        woken.wokenAt = Self.start + .seconds(250)
        #expect(autoscaler.decide(woken).desired == 1)
        #expect(autoscaler.decide(seen(2, replicas: 1, load: 0)).desired == 1)
        #expect(autoscaler.decide(seen(62, replicas: 1, load: 0)).desired == 0)
    }

    @Test("activation: what is no more than that counts as idle")
    func activation() {
        var autoscaler = Autoscaler(
            policy: policy {
                $0.idleSeconds = 60
                $0.targets = [ScalingTarget(signal: .inFlight, value: 8, activation: 2)]
            }
        )
        func decide(_ second: Int, _ load: Double) -> Int {
            var observation = seen(second, replicas: 1, load: load)
            // Two in work that go on arriving: the other signals are never zero, and have no target.
            observation.readings[.requestRate] = SignalReading(total: load / 2, reporting: 1)
            return autoscaler.decide(observation).desired
        }
        #expect(decide(0, 2) == 1)
        #expect(decide(61, 2) == 0)
        #expect(decide(62, 3) == 1)
        #expect(decide(100, 2) == 1)
    }

    /// How often a model falls asleep that is asked for `load` all the time, by requests that wake it after `nap` seconds of sleep; and what
    /// was said in the end.
    private func sleeps(
        hours: Int,
        load: Double,
        activation: Double = 2,
        nap: (Int) -> Int
    ) -> (times: [Int], last: ScaleDecision?) {
        var autoscaler = Autoscaler(
            policy: policy {
                $0.idleSeconds = 60
                $0.targets = [ScalingTarget(signal: .inFlight, value: 8, activation: activation)]
            }
        )
        var (replicas, asleep, times): (Int, Int, [Int]) = (1, 0, [])
        var woken: WallTime?
        var last: ScaleDecision?
        for second in stride(from: 0, through: hours * 3600, by: 2) {
            if replicas == 0, second >= asleep + nap(times.count) { woken = woken ?? Self.start + .seconds(second) }
            var seen = seen(second, replicas: replicas, load: replicas > 0 ? load : nil)
            seen.wokenAt = woken
            let decision = autoscaler.decide(seen)
            if second % 60 == 0 {
                let replayed = autoscaler.lastInputs.flatMap { ScaleInputs($0.json)?.decision() }
                #expect(replayed?.desired == decision.desired && replayed?.reason == decision.reason)
            }
            if replicas > 0, decision.desired == 0 { (asleep, woken, times) = (second, nil, times + [second]) }
            replicas = decision.desired
            last = decision
        }
        return (times, last)
    }

    @Test("a load below the activation that wakes the model each time keeps it up for ever longer")
    func flapping() {
        let (times, last) = sleeps(hours: 12, load: 1) { _ in 4 }
        #expect(times.count >= 5 && times.count <= 10, "\(times)")
        let waits = zip(times.dropFirst(), times).map { $0 - $1 }
        #expect(zip(waits.dropFirst(), waits).allSatisfy { abs($0 - 2 * $1) < 20 }, "\(waits)")
        let message = last?.reason.message ?? ""
        #expect(message.contains("instead of 60 s before 0: asked for no more than activationValue"), "\(message)")
    }

    @Test(
        "a model that sleeps for longer than it was awake in vain, or that nobody asked for anything, sleeps as usual"
    )
    func sleeping() {
        // Probes that wake nobody, and somebody who comes each quarter of an hour.
        let probed = sleeps(hours: 3, load: 1) { _ in 900 }.times
        #expect(probed.count >= 10, "\(probed)")
        // One early wake, and then a long sleep: the next idle time is twice as long, and the one after that isn't.
        let once = sleeps(hours: 1, load: 1) { $0 == 1 ? 10 : 600 }.times
        #expect(once.count >= 4 && once[1] - once[0] > 120 && once[3] - once[2] < 700, "\(once)")
        // Without an activation value a request that came is use; the gaps between requests are the user's choice.
        let rare = sleeps(hours: 1, load: 0, activation: 0) { _ in 4 }.times
        #expect(rare.count > 40, "\(rare.count)")
    }

    @Test("a model that sleeps although it is asked for something isn't said to have had no request")
    func idleness() {
        var autoscaler = Autoscaler(
            policy: policy {
                $0.idleSeconds = 60
                $0.targets = [ScalingTarget(signal: .inFlight, value: 8, activation: 2)]
            }
        )
        _ = autoscaler.decide(seen(0, replicas: 1, load: 1))
        let message = autoscaler.decide(seen(62, replicas: 1, load: 1)).reason.message
        #expect(message.hasSuffix("down to 0: no more than activationValue for 62 s"), "\(message)")
    }

    @Test("a restart at zero stays at zero; a wake-up that lies far in the future is none")
    func restart() {
        var autoscaler = Autoscaler(policy: policy { $0.idleSeconds = 60 })
        #expect(autoscaler.decide(seen(0, replicas: 0, load: nil)).desired == 0)
        var odd = seen(2, replicas: 0, load: nil)
        odd.wokenAt = Self.start + .seconds(86_400)
        #expect(autoscaler.decide(odd).desired == 0)
    }

    @Test("the line names what is missing")
    func missing() {
        var autoscaler = Autoscaler(policy: policy())
        var observation = seen(0, replicas: 2, load: 1)
        observation.readings[.queueLength] = nil
        observation.missing = [MissingReplica(pod: "m-1", reason: "no answer within 1 s")]
        observation.missingSignals = ["no queue length: looked for a; the page offers b"]
        let decision = autoscaler.decide(observation)
        #expect(decision.desired == 2)
        #expect(decision.reason.code == "MissingData")
        #expect(decision.reason.message.contains("no metrics from pod m-1: no answer within 1 s"))
        #expect(decision.reason.message.contains("looked for a; the page offers b"))
        #expect(decision.reason.message.hasSuffix("held at 2: missing is not zero"))
    }
}

@Suite("Cron")
struct CronTests {
    @Test(
        "the last time that it happened",
        arguments: [
            ("0 8 * * *", "2026-11-28T09:30:00Z", "2026-11-28T08:00:00Z"),
            ("0 8 * * *", "2026-11-28T08:00:59Z", "2026-11-28T08:00:00Z"),
            ("0 8 * * *", "2026-11-28T07:59:00Z", "2026-11-27T08:00:00Z"),
            // 28 November 2026 is a Saturday.
            ("30 18 * * mon-fri", "2026-11-28T09:00:00Z", "2026-11-27T18:30:00Z"),
            ("0 0 * * 7", "2026-11-28T09:00:00Z", "2026-11-22T00:00:00Z"),
            ("*/15 * * * *", "2026-11-28T09:14:00Z", "2026-11-28T09:00:00Z"),
            ("5/20 3 * * *", "2026-11-28T03:44:00Z", "2026-11-28T03:25:00Z"),
            ("0 0 29 2 *", "2026-11-28T09:00:00Z", "2024-02-29T00:00:00Z"),
            ("0 0 29 2 *", "2103-01-01T00:00:00Z", "2096-02-29T00:00:00Z"),
            ("0 12 1 jan,JUL *", "2026-11-28T09:00:00Z", "2026-07-01T12:00:00Z"),
            // Either day will do when both are given.
            ("0 0 13 * fri", "2026-11-28T09:00:00Z", "2026-11-27T00:00:00Z"),
            ("0 0 1 1 *", "1969-06-01T00:00:00Z", "1969-01-01T00:00:00Z"),
        ]
    )
    func last(text: String, now: String, expected: String) throws {
        let schedule = try #require(CronSchedule(text))
        let time = try #require(WallTime(rfc3339: now))
        let wanted = try #require(WallTime(rfc3339: expected))
        let seconds = Int64(time.seconds.rounded(.down))
        let last = try #require(schedule.last(before: CronSchedule.Minute(localSeconds: seconds)))
        #expect(last == CronSchedule.Minute(localSeconds: Int64(wanted.seconds)))
    }

    @Test(
        "what is no schedule",
        arguments: [
            "", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *", "1, * * * *", "1-2-3 * * * *", "- * * * *", "99999999999999999999 * * * *", "@daily",
            "* * * * * *",
        ]
    )
    func refused(text: String) { #expect(CronSchedule(text) == nil) }

    @Test("a date that never comes has no last time") func never() throws {
        let schedule = try #require(CronSchedule("0 0 31 2 *"))
        #expect(schedule.last(before: CronSchedule.Minute(localSeconds: 1_800_000_000)) == nil)
    }

    @Test("active from start to end, in the zone's time")
    func active() throws {
        let schedule = ScalingSchedule(
            bounds: ScheduledBounds(name: "day", minReplicas: 5),
            start: try #require(CronSchedule("0 8 * * mon-fri")),
            end: try #require(CronSchedule("0 18 * * mon-fri"))
        )
        func isActive(_ time: String, _ offset: Int = 0) throws -> Bool {
            let seconds = try #require(WallTime(rfc3339: time)).seconds
            return schedule.isActive(at: Int64(seconds), offset: offset)
        }
        #expect(try isActive("2026-11-27T08:00:00Z"))
        #expect(try isActive("2026-11-27T17:59:59Z"))
        #expect(try !isActive("2026-11-27T18:00:00Z"))
        #expect(try !isActive("2026-11-28T12:00:00Z"))
        #expect(try !isActive("2026-11-27T07:30:00Z"))
        var instant = schedule
        instant.end = instant.start
        #expect(
            !instant.isActive(at: Int64(try #require(WallTime(rfc3339: "2026-11-27T09:00:00Z")).seconds), offset: 0)
        )
        #expect(try isActive("2026-11-27T07:30:00Z", 3600))
    }
}
