// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import Controllers

/// What a report says of what comes next.
extension RolloutReportTests {
    /// What the rollout waits for, and what the report says of its end and of what a person can do.
    struct Wait: Sendable, CustomTestStringConvertible {
        var name: String
        var phase: String
        var step: Int
        var deadline = "2026-01-01T01:00:40Z"
        var spec: JSONValue = .emptyObject
        var rollout: JSONValue = .emptyObject
        var ends: String?
        var next: String?
        var testDescription: String { name }
    }

    static let waits: [Wait] = [
        Wait(
            name: "a timed pause",
            phase: "Paused",
            step: 2,
            ends: "goes on by itself in 40 s, at 2026-01-01T01:00:40Z"
        ),
        Wait(
            name: "a pause for a person",
            phase: "Paused",
            step: 3,
            ends: "is rolled back by itself in 40 s, at 2026-01-01T01:00:40Z, unless something changes",
            next: "a person decides: `modelfleet rollout promote iris` or `modelfleet rollout abort iris`"
        ),
        Wait(
            name: "held by a person",
            phase: "Paused",
            step: 2,
            spec: ["paused": true],
            ends: "is rolled back by itself in 40 s, at 2026-01-01T01:00:40Z, unless something changes",
            next: "a person goes on with `modelfleet rollout resume iris`"
        ),
        Wait(
            name: "an analysis that waits when its time is over",
            phase: "Analyzing",
            step: 1,
            ends:
                "the analysis' time is over in 40 s, at 2026-01-01T01:00:40Z; from then on it waits for an answer, or for a person"
        ),
        Wait(
            name: "an analysis whose time is over",
            phase: "Analyzing",
            step: 1,
            deadline: "2026-01-02T00:56:00Z",
            ends: "is rolled back by itself in 23 h 56 m, at 2026-01-02T00:56:00Z, unless something changes",
            next: "a person decides: `modelfleet rollout promote iris` or `modelfleet rollout abort iris`"
        ),
        Wait(
            name: "an analysis that passes without an answer",
            phase: "Analyzing",
            step: 1,
            spec: ["analysis": ["onInconclusive": "Promote"]],
            ends: "goes on by itself in 40 s, at 2026-01-01T01:00:40Z"
        ),
        Wait(
            name: "an analysis that fails without requests",
            phase: "Analyzing",
            step: 1,
            spec: ["analysis": ["onNoData": "Rollback"]],
            rollout: ["judgement": ["verdict": "NoData"]],
            ends: "is rolled back by itself in 40 s, at 2026-01-01T01:00:40Z, unless something changes"
        ),
        Wait(
            name: "a rolling update",
            phase: "Promoting",
            step: 0,
            spec: ["strategy": "RollingUpdate"],
            ends: "counts as failed in 40 s, at 2026-01-01T01:00:40Z, and is tried on"
        ),
        Wait(
            name: "a rolling update that replaces replicas",
            phase: "Promoting",
            step: 0,
            spec: ["strategy": "RollingUpdate"],
            rollout: ["isReplacing": true],
            ends: "is rolled back by itself in 40 s, at 2026-01-01T01:00:40Z, unless something changes"
        ),
        Wait(name: "the way back without requests", phase: "RollingBack", step: 1, rollout: ["desiredWeight": 0]),
        Wait(
            name: "given up",
            phase: "RolledBack",
            step: 1,
            next: "correct the spec, go back with `modelfleet rollout undo iris`, or try it again with "
                + "`modelfleet rollout retry iris`"
        ),
    ]

    @Test("says what the end of the time brings, and which commands make sense", arguments: waits)
    func waiting(_ row: Wait) throws {
        var model = try Self.canary()
        model["spec", "rollout", "steps"] = [
            ["setWeight": 10], ["analysis": .emptyObject], ["pause": ["durationSeconds": 60]], ["pause": .emptyObject],
        ]
        for (name, value) in row.spec.object ?? [:] { model["spec", "rollout", name] = value }
        model["status", "rollout", "reachedAt"] = "2026-01-01T00:55:40Z"
        model["status", "rollout", "deadline"] = .string(row.deadline)
        model["status", "rollout", "phase"] = .string(row.phase)
        model["status", "rollout", "stepIndex"] = JSONValue(row.step)
        for (name, value) in row.rollout.object ?? [:] { model["status", "rollout", name] = value }
        let report = RolloutReport(model, now: Self.now)
        #expect(report.deadlineNote == row.ends)
        #expect(report.nextNote == row.next)
    }

    @Test("what was asked for stands there until the operator has taken it up")
    func asked() throws {
        var model = try Self.canary()
        #expect(RolloutReport(model, now: Self.now).requestNote == nil)
        model.json.set("promote 4/2 n", at: "metadata", "annotations", RolloutOrder.annotation)
        let note = RolloutReport(model, now: Self.now).requestNote
        #expect(note == "asked for and not done yet: promote of revision 4")
        #expect(text(RolloutReport(model, now: Self.now).tree).contains("\n│ asked for and not done yet: "))
        model["status", "rollout", "handledRequest"] = "promote 4/2 n"
        #expect(RolloutReport(model, now: Self.now).requestNote == nil)
    }

    @Test("a spec that waits for a person isn't settled, and a first revision that doesn't get ready serves nobody")
    func notSettled() throws {
        var model = try Self.canary()
        model["spec", "rollout", "paused"] = true
        model["status", "rollout"] = [
            "phase": "Settled", "strategy": "Canary",
            "message": "revision 4 (version v4) waits: spec.rollout.paused is true",
        ]
        #expect(
            text(Array(RolloutReport(model, now: Self.now).tree.prefix(3))) == """
                shop/iris  Canary  Paused
                │ revision 4 (version v4) waits: spec.rollout.paused is true
                │ a person goes on with `modelfleet rollout resume iris`
                """
        )
        model["status", "rollout"] = nil
        model["status", "stable", "readyReplicas"] = 0
        #expect(
            RolloutReport(model, now: Self.now).sentence
                == "revision 3 serves nobody yet: none of its 3 replicas is ready"
        )
    }
}
