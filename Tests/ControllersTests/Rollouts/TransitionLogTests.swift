// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import Controllers

@Suite("Rollout transitions")
struct TransitionLogTests {
    private static let now = WallTime(seconds: 1_000_000)

    private static func status(
        _ phase: String,
        canary: Int? = 2,
        step: Int = 0,
        started: String = "2026-01-01T00:00:00Z",
        history: [JSONValue] = []
    ) -> JSONValue {
        var rollout: JSONValue = [
            "phase": .string(phase), "stableRevision": 1, "stepIndex": JSONValue(step), "desiredWeight": 25,
            "message": "because",
        ]
        if let canary {
            rollout["canaryRevision"] = JSONValue(canary)
            rollout["startedAt"] = .string(started)
        }
        return ["rollout": rollout, "history": .array(history), "canary": ["version": "v2"]]
    }

    private static func entry(_ revision: Int, _ outcome: String) -> JSONValue {
        [
            "revision": JSONValue(revision), "version": "v2", "outcome": .string(outcome), "reason": "it was so",
            "endedAt": "2026-01-01T00:10:00Z",
        ]
    }

    /// Two statuses, one after the other, and what happened in between.
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var before: JSONValue?
        var after: JSONValue
        var events: [RolloutTransition.Event]
        var testDescription: String { name }
    }

    static let rows: [Row] = [
        Row(name: "the first deployment", before: nil, after: status("Settled", canary: nil), events: []),
        Row(
            name: "a rollout begins",
            before: status("Settled", canary: nil),
            after: status("Progressing"),
            events: [.started]
        ),
        Row(name: "nothing new", before: status("Progressing"), after: status("Progressing"), events: []),
        Row(
            name: "the next step",
            before: status("Progressing"),
            after: status("Progressing", step: 1),
            events: [.stepStarted]
        ),
        Row(
            name: "a pause step",
            before: status("Progressing"),
            after: status("Paused", step: 1),
            events: [.stepStarted, .paused]
        ),
        Row(
            name: "one pause step after another",
            before: status("Paused", step: 1),
            after: status("Paused", step: 2),
            events: [.stepStarted, .paused]
        ),
        Row(name: "paused by a person", before: status("Progressing"), after: status("Paused"), events: [.paused]),
        Row(name: "goes on", before: status("Paused"), after: status("Progressing"), events: [.resumed]),
        Row(
            name: "goes on with the next step",
            before: status("Paused"),
            after: status("Progressing", step: 1),
            events: [.stepStarted]
        ),
        Row(
            name: "all steps are done",
            before: status("Progressing", step: 5),
            after: status("Promoting", step: 6),
            events: [.promoting]
        ),
        Row(
            name: "is given up",
            before: status("Progressing", step: 3),
            after: status("RollingBack", step: 0),
            events: [.rollingBack]
        ),
        Row(
            name: "is promoted",
            before: status("Promoting"),
            after: status("Settled", canary: nil, history: [entry(2, "Promoted")]),
            events: [.promoted]
        ),
        Row(
            name: "is rolled back",
            before: status("RollingBack", history: [entry(1, "Promoted")]),
            after: status("RolledBack", canary: nil, history: [entry(2, "RolledBack"), entry(1, "Promoted")]),
            events: [.rolledBack]
        ),
        Row(
            name: "another spec during a rollout",
            before: status("Progressing", step: 2),
            after: status("Progressing", canary: 3, history: [entry(2, "Superseded")]),
            events: [.superseded, .started]
        ),
        Row(
            name: "the same revision is tried again",
            before: status("Progressing", step: 2),
            after: status("Progressing", started: "2026-01-02T00:00:00Z"),
            events: [.started]
        ),
        Row(
            name: "the judge looks, then waits for its time",
            before: status("Progressing", step: 1),
            after: status("Analyzing", step: 1),
            events: []
        ),
        Row(
            name: "a revision that was given up before",
            before: status("Settled", canary: nil),
            after: status("RolledBack"),
            events: [.failed]
        ),
        Row(
            name: "what was rolled back stays named",
            before: status("RolledBack"),
            after: status("Settled"),
            events: []
        ),
        Row(
            name: "what was rolled back is tried again",
            before: status("RolledBack"),
            after: status("Progressing", started: "2026-01-02T00:00:00Z"),
            events: [.started]
        ),
        Row(
            name: "an outcome of a later version of the operator",
            before: status("Settled", canary: nil),
            after: status("Settled", canary: nil, history: [entry(2, "Teleported")]),
            events: []
        ),
    ]

    @Test("what happened follows from two statuses", arguments: rows)
    func follows(_ row: Row) {
        let news = TransitionLog.happened(from: row.before, to: row.after, after: 7, now: Self.now)
        #expect(news.map(\.event) == row.events)
        #expect(news.map(\.number) == Array(0..<row.events.count).map { 8 + $0 })
        for transition in news {
            #expect(RolloutTransition(transition.json) == transition)
            #expect(!transition.message.isEmpty)
        }
    }

    @Test("keeps the last twenty, numbered on, and says up to where everybody was told")
    func log() {
        var stored: JSONValue = Self.status("Settled", canary: nil)
        func write(_ next: JSONValue, hasTargets: Bool = true, delivered: Int? = nil) {
            var next = next
            TransitionLog.record(
                previous: stored,
                in: &next,
                hasTargets: hasTargets,
                delivered: delivered,
                now: Self.now
            )
            stored = next
        }
        func rollout(_ field: String) -> JSONValue? { stored.at("rollout", field) }
        write(stored)
        #expect(rollout("transitions") == nil && rollout("notified") == nil)
        write(Self.status("Progressing"))
        #expect(rollout("transitions")?.array?.count == 1)
        #expect(rollout("notified")?.int == 0)
        for step in 1...30 { write(Self.status("Progressing", step: step)) }
        #expect(rollout("transitions")?.array?.compactMap { $0["number"]?.int } == Array(12...31))
        write(Self.status("Progressing", step: 30), delivered: 25)
        #expect(rollout("notified")?.int == 25)
        // A process that knows less, or boasts, changes nothing for the worse.
        write(Self.status("Progressing", step: 30), delivered: 3)
        #expect(rollout("notified")?.int == 25)
        write(Self.status("Progressing", step: 30), delivered: 99)
        #expect(rollout("notified")?.int == 31)
        // Without anybody to tell, nothing stays open.
        write(Self.status("Paused", step: 30), hasTargets: false)
        #expect(rollout("notified")?.int == 32)
        let before = stored
        write(Self.status("Paused", step: 30), hasTargets: false)
        #expect(stored == before)
    }

    @Test("what others wrote into the list is left out")
    func foreign() {
        var stored: JSONValue = Self.status("Progressing")
        stored.set(
            [["number": "x"], 3, ["number": 4, "event": "Nope", "revision": 1, "time": "2026-01-01T00:00:00Z"]],
            at: "rollout",
            "transitions"
        )
        var next = Self.status("Paused")
        TransitionLog.record(previous: stored, in: &next, hasTargets: true, delivered: nil, now: Self.now)
        #expect(next.at("rollout", "transitions")?.array?.compactMap { $0["event"]?.string } == ["Paused"])
    }
}
