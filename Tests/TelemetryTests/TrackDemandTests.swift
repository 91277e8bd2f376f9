// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Scaling
import Testing

@testable import Telemetry

@Suite("The demand of a model's tracks together")
struct TrackDemandTests {
    /// The signals of two replicas; a signal without values is one that neither of them shows.
    private static func track(
        _ values: [SignalKind: [Double]],
        total: [SignalKind: Double] = [:],
        age: Double = 0,
        isElsewhere: Bool = false
    ) -> TrackSignals {
        var answers: [SignalKind: SignalValue<PrometheusFinding>] = [:]
        for (kind, numbers) in values {
            let pods = Dictionary(uniqueKeysWithValues: zip(["a", "b"], numbers))
            answers[kind] = .value(PrometheusFinding(pods: pods, isPartial: false, age: .seconds(age)))
        }
        for (kind, number) in total {
            answers[kind] = .value(PrometheusFinding(total: number, isPartial: false, age: .seconds(age)))
        }
        return TrackSignals(
            answers: answers,
            pods: ["a", "b"],
            percentile: 95,
            sharedTotals: isElsewhere ? Set(total.keys) : []
        )
    }

    @Test("totals are summed, the oldest page counts, and the other's replicas are counted apart")
    func sum() throws {
        let stable = Self.track([.inFlight: [3, 4], .latency: [0.1, 0.2]], age: 1)
        let sum = stable.adding(demandOf: Self.track([.inFlight: [5, 6], .latency: [0.3, 0.4]], age: 4))
        #expect(sum.readings[.inFlight] == SignalReading(total: 18, reporting: 2, elsewhere: 2, age: .seconds(4)))
        #expect(sum.latencyReading(percentile: 95)?.elsewhere == 2)
        #expect(sum.unreadElsewhere(Signal.allCases) == 0)
        let thrice = sum.adding(demandOf: Self.track([.inFlight: [1, 1], .latency: [0.3, 0.4]]))
        #expect(thrice.readings[.inFlight] == SignalReading(total: 20, reporting: 2, elsewhere: 4, age: .seconds(4)))
    }

    @Test("what another track's replicas don't show is no zero, where this track's show it and it is followed")
    func silent() {
        let stable = Self.track([.inFlight: [3, 4], .queueLength: [0, 0]])
        let sum = stable.adding(demandOf: Self.track([.inFlight: [1]]))
        #expect(sum.unreadElsewhere([.inFlight]) == 1)
        #expect(sum.unreadElsewhere([.queueLength]) == 2)
        #expect(sum.unreadElsewhere(Signal.allCases) == 2)
        #expect(sum.unreadElsewhere([.requestRate]) == 0, "nobody has it")
        let parts: [String: TrackSignals.Part] = ["a": .missing("no answer"), "b": .pending]
        let dark = TrackSignals(parts: parts, now: WallTime(seconds: 1), staleAfter: .seconds(30))
        #expect(stable.adding(demandOf: dark).unreadElsewhere([.inFlight]) == 2)
    }

    @Test("of what isn't read elsewhere, that is new whose first page is under way: it is no trouble")
    func new() {
        func track(_ parts: [TrackSignals.Part]) -> TrackSignals {
            let named = Dictionary(uniqueKeysWithValues: zip(["a", "b"], parts))
            return TrackSignals(parts: named, now: WallTime(seconds: 1), staleAfter: .seconds(30))
        }
        let stable = Self.track([.inFlight: [3, 4], .queueLength: [0, 0]])
        func news(_ parts: TrackSignals.Part...) -> Int {
            stable.adding(demandOf: track(parts)).newElsewhere([.inFlight, .queueLength])
        }
        #expect(news(.pending, .pending) == 2)
        #expect(stable.adding(demandOf: track([.missing("no answer"), .pending])).missingElsewhere.count == 1)
        #expect(stable.newElsewhere([.inFlight]) == 0)
        let mute = stable.adding(demandOf: Self.track([.inFlight: [1, 1]])).adding(demandOf: track([.pending]))
        #expect(
            mute.unreadElsewhere([.inFlight, .queueLength]) == 3 && mute.newElsewhere([.inFlight, .queueLength]) == 1
        )
    }

    @Test(
        "without a replica that shows it the demand is what another track shows; a signal without a metric stays missing"
    )
    func empty() {
        let canary = Self.track([.inFlight: [5, 6], .latency: [0.3, 0.4]], age: 4)
        let none = TrackSignals(parts: [:], now: WallTime(seconds: 1), staleAfter: .seconds(30))
        for empty in [none, TrackSignals(answers: [:], pods: [], percentile: 95)] {
            let sum = empty.adding(demandOf: canary)
            #expect(sum.readings == [.inFlight: SignalReading(total: 11, reporting: 0, elsewhere: 2, age: .seconds(4))])
            #expect(sum.running == SignalReading(total: 11, reporting: 0, elsewhere: 2, age: .seconds(4)))
            let latency = sum.latencyReading(percentile: 95)
            #expect(latency?.reporting == 0 && latency?.elsewhere == 2 && latency?.milliseconds == 400)
            #expect(sum.replicas == 0 && sum.replicasElsewhere == 2)
        }
        let mute = Self.track([.requestRate: [1, 2]])
        #expect(mute.adding(demandOf: canary).readings[.inFlight] == nil)
        #expect(mute.adding(demandOf: canary).latencyReading(percentile: 95) == nil)
        #expect(mute.adding(demandOf: canary).running == nil)
        for part in [TrackSignals.Part.pending, .missing("no answer")] {
            let unread = TrackSignals(parts: ["a": part], now: WallTime(seconds: 1), staleAfter: .seconds(30))
            let sum = unread.adding(demandOf: canary)
            #expect(sum.readings == [.inFlight: SignalReading(total: 11, reporting: 0, elsewhere: 2, age: .seconds(4))])
            #expect(sum.latencyReading(percentile: 95)?.elsewhere == 2)
            #expect(sum.adding(demandOf: Self.track([.inFlight: [1]])).unreadElsewhere([.inFlight]) == 1)
            #expect(unread.adding(demandOf: canary, counting: false).readings.isEmpty, "it may have nothing to do")
        }
        let part = Self.track([:], total: [.inFlight: 20], isElsewhere: true)
        #expect(none.adding(demandOf: part).readings.isEmpty, "the total itself isn't there yet")
    }

    @Test("those that wait elsewhere alone don't stand for those that wait here")
    func queueElsewhere() {
        let stable = Self.track([.requestRate: [1, 2], .inFlight: [3, 4], .queueLength: []])
        let canary = Self.track([.requestRate: [1, 1], .inFlight: [3, 4], .queueLength: [1, 2]])
        let objective = LatencyObjective(percentile: 95, milliseconds: 200)
        let sum = stable.adding(demandOf: canary)
        #expect(sum.readings[.queueLength] == SignalReading(total: 3, reporting: 0, elsewhere: 2))
        #expect(sum.traffic(seconds: 2, objective: objective) == nil)
        let silent = TrackSignals(parts: ["a": .missing("")], now: WallTime(seconds: 1), staleAfter: .seconds(30))
        let known = silent.adding(demandOf: canary).traffic(seconds: 2, objective: objective)
        #expect(known?.waiting == 3 && known?.running == 4 && known?.isQueueKnown == true)
    }

    @Test("of a total of fewer requests than wait those that wait aren't taken off")
    func fewerThanWait() {
        #expect(Self.track([.queueLength: [6, 5], .inFlight: [2, 2]]).running?.total == 4)
        #expect(Self.track([.queueLength: [1, 1], .inFlight: [2, 2]]).running?.total == 2)
        #expect(Self.track([:], total: [.queueLength: 30, .inFlight: 8]).running?.total == 8)
    }

    @Test("the CPU time of tracks that get requests is summed, and the others' missing replicas are named")
    func others() {
        let stable = Self.track([.inFlight: [1, 1], .cpu: [0.5, 0.5]])
        let canary = Self.track([.inFlight: [1, 1], .cpu: [1, 2]])
        let sum = stable.adding(demandOf: canary)
        #expect(sum.cpu == SignalReading(total: 4, reporting: 2, elsewhere: 2) && sum.carryingElsewhere == 2)
        let idle = stable.adding(demandOf: canary, counting: false)
        #expect(idle.cpu == SignalReading(total: 1, reporting: 2) && idle.carryingElsewhere == 0)
        let dark = TrackSignals(parts: ["c": .missing("slow")], now: WallTime(seconds: 1), staleAfter: .seconds(30))
        #expect(stable.adding(demandOf: dark).missingElsewhere == [MissingReplica(pod: "c", reason: "slow")])
        #expect(dark.adding(demandOf: stable).missing.count == 1)
        #expect(dark.adding(demandOf: stable).missingElsewhere.isEmpty)
    }

    @Test("the load of a track that gets no requests is added, and its replicas don't count")
    func idle() {
        let stable = Self.track([.inFlight: [3, 4], .latency: [0.1, 0.2]])
        let preview = Self.track([.inFlight: [1, 0], .latency: [0.3, 0.4]])
        let sum = stable.adding(demandOf: preview, counting: false)
        #expect(sum.readings[.inFlight] == SignalReading(total: 8, reporting: 2))
        #expect(sum.running == SignalReading(total: 8, reporting: 2))
        #expect(sum.latencyReading(percentile: 95)?.elsewhere == 0)
        let none = TrackSignals(parts: [:], now: WallTime(seconds: 1), staleAfter: .seconds(30))
        #expect(none.adding(demandOf: preview, counting: false).readings.isEmpty)
        #expect(stable.adding(demandOf: preview, counting: true) == stable.adding(demandOf: preview))
    }

    @Test("a total over all tracks counts once, over the replicas of all of them")
    func shared() {
        let stable = Self.track([:], total: [.inFlight: 20, .requestRate: 40])
        let canary = Self.track([:], total: [.inFlight: 20, .requestRate: 40], isElsewhere: true)
        let sum = stable.adding(demandOf: canary)
        #expect(sum.readings[.inFlight] == SignalReading(total: 20, reporting: 2, elsewhere: 2))
        #expect(sum.trafficReporting == 2 && sum.trafficElsewhere == 2)
        #expect(sum.unreadElsewhere(Signal.allCases) == 0)
    }
}
