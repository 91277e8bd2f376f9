// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import Testing

@testable import Controllers

@Suite("Rollout reports")
struct RolloutReportTests {
    static let now = WallTime(rfc3339: "2026-01-01T01:00:00Z") ?? WallTime(seconds: 0)

    private static func parsed(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    /// A model in the middle of a canary rollout.
    static func canary() throws -> KubeObject {
        KubeObject(
            try parsed(
                #"""
                {"apiVersion":"modelfleet.dev/v1alpha1","kind":"ModelDeployment",
                 "metadata":{"name":"iris","namespace":"shop","uid":"u","generation":4,"resourceVersion":"77"},
                 "spec":{"model":{"uri":"file:///new","version":"v4"},"resources":{"limits":{"cpu":"1"}},
                         "rollout":{"strategy":"Canary"}},
                 "status":{"observedGeneration":4,
                  "conditions":[{"type":"Ready","status":"True","reason":"Serving","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}],
                  "stable":{"version":"v3","revision":3,"replicas":3,"readyReplicas":3,"weight":90},
                  "canary":{"version":"v4","revision":4,"replicas":2,"readyReplicas":1,"weight":10,"step":2},
                  "rollout":{"phase":"Progressing","strategy":"Canary","stableRevision":3,"canaryRevision":4,"canaryVersion":"v4",
                   "stepIndex":2,"stepCount":6,"startedAt":"2026-01-01T00:50:00Z","stepStartedAt":"2026-01-01T00:58:48Z",
                   "deadline":"2026-01-01T01:08:48Z","desiredWeight":25,"message":"step 3 of 6: 1 of 2 replicas are ready for 25 %",
                   "judge":{"big":"memory"},
                   "checks":[{"name":"golden set","result":"Passed","message":"status 200"}],
                   "judgement":{"verdict":"Inconclusive","confidenceWorse":0.3,"confidenceNotWorse":0.8,
                    "reason":"canary errors 0.5 % (4/800) against 0.4 % (28/7200): not certain yet"}},
                  "history":[
                   {"revision":3,"version":"v3","outcome":"Promoted","reason":"revision 3 (v3) was promoted","startedAt":"2025-12-31T22:00:00Z","endedAt":"2025-12-31T22:30:00Z"},
                   {"revision":2,"version":"v2","outcome":"RolledBack","reason":"canary errors 9 % (90/1000) against 1 % (90/9000): worse","startedAt":"2025-12-31T21:00:00Z","endedAt":"2025-12-31T21:02:30Z"}]}}
                """#
            )
        )
    }

    private static func pod(_ name: String, _ revision: Int, ready: Bool, waiting: String? = nil) throws -> KubeObject {
        var object = KubeObject(
            try parsed(
                """
                {"apiVersion":"v1","kind":"Pod","metadata":{"name":"\(name)","namespace":"shop","uid":"\(name)",
                 "labels":{"modelfleet.dev/model":"iris","modelfleet.dev/revision":"\(revision)"}},
                 "status":{"conditions":[{"type":"Ready","status":"\(ready ? "True" : "False")","lastTransitionTime":"2026-01-01T00:30:00Z"}]}}
                """
            )
        )
        if let waiting {
            object["status", "containerStatuses"] = [
                ["name": "c", "image": "img:1", "state": ["waiting": ["reason": .string(waiting)]]]
            ]
        }
        return object
    }

    private static func pods() throws -> [KubeObject] {
        [
            try pod("iris-r4-b", 4, ready: false, waiting: "ImagePullBackOff"), try pod("iris-r4-a", 4, ready: true),
            try pod("iris-r3-a", 3, ready: true), try pod("iris-r3-b", 3, ready: true),
            try pod("iris-r3-c", 3, ready: false),
        ]
    }

    func text(_ lines: [StyledLine]) -> String { lines.map(\.plain).joined(separator: "\n") }

    @Test("draws the tracks, the pods, the steps and the judge")
    func tree() throws {
        let report = RolloutReport(try Self.canary(), pods: try Self.pods(), now: Self.now)
        #expect(
            text(report.tree) == """
                shop/iris  Canary  Progressing  step 3 of 6
                │ step 3 of 6: 1 of 2 replicas are ready for 25 %
                │ is rolled back by itself in 8 m 48 s, at 2026-01-01T01:08:48Z, unless something changes
                ├─ stable  r3  v3  90 % of requests (75 % wanted)  3/3 ready
                │  ├─ ✓ iris-r3-a  ready for 30 m
                │  ├─ ✓ iris-r3-b  ready for 30 m
                │  └─ ○ iris-r3-c  starts
                └─ canary  r4  v4  10 % of requests (25 % wanted)  1/2 ready
                   ├─ ✓ iris-r4-a  ready for 30 m
                   └─ ✗ iris-r4-b  the image "img:1" can't be pulled (ImagePullBackOff); check spec.container.image of the ServingRuntime

                steps
                   ✓ weight 10 %
                   ✓ analysis
                   ▶ weight 25 %  for 1 m 12 s
                   · analysis
                   · weight 50 %
                   · analysis
                   · promotion

                judge  Inconclusive
                   worse      █░░░░░░░░░░░░░░░░░░░░░░░  30 % of 99 %
                   not worse  ████████████░░░░░░░░░░░░  80 % of 95 %
                   canary errors 0.5 % (4/800) against 0.4 % (28/7200): not certain yet
                   check golden set  Passed  status 200
                """
        )
        #expect(report.end == nil)
        #expect(
            report.line
                == "Progressing, revision 4 (v4) has 10 % of the requests, 1/2 ready: step 3 of 6: 1 of 2 replicas are ready for 25 %"
        )
    }

    @Test("the line of a spec that the operator hasn't seen doesn't say that it is settled")
    func unseenLine() throws {
        var model = try Self.canary()
        model["status", "rollout"] = ["phase": "Settled", "strategy": "Canary", "stableRevision": 3]
        model["metadata", "generation"] = 1_000
        #expect(RolloutReport(model, now: Self.now).line == "Waiting: the operator has not seen this spec yet")
    }

    @Test("draws a model at rest without steps, and one that was never seen")
    func rest() throws {
        var model = try Self.canary()
        model["status", "rollout"] = [
            "phase": "Settled", "strategy": "Canary", "stableRevision": 3, "canaryRevision": 3,
        ]
        model["status", "stable", "weight"] = 100
        #expect(
            text(RolloutReport(model, now: Self.now).tree) == """
                shop/iris  Canary  Settled
                │ revision 3 serves all requests
                └─ stable  r3  v3  100 % of requests  3/3 ready
                """
        )
        model["status"] = nil
        #expect(
            text(RolloutReport(model, now: Self.now).tree) == """
                shop/iris  Waiting
                │ the operator has not seen this spec yet
                """
        )
    }

    @Test("lists the history, what is under way first")
    func history() throws {
        #expect(
            text(RolloutReport(try Self.canary(), now: Self.now).historyLines) == """
                REVISION  VERSION  OUTCOME      ENDED         TOOK      REASON
                4         v4       Progressing  –             10 m      step 3 of 6: 1 of 2 replicas are ready for 25 %
                3 *       v3       Promoted     2 h 30 m ago  30 m      revision 3 (v3) was promoted
                2         v2       RolledBack   3 h 57 m ago  2 m 30 s  canary errors 9 % (90/1000) against 1 % (90/9000): worse
                """
        )
        var model = try Self.canary()
        model["status"] = nil
        #expect(text(RolloutReport(model, now: Self.now).historyLines).hasPrefix("iris has no history yet"))
    }

    /// A phase with what else counts, and whether the watch ends.
    static let ends: [(phase: String, generation: Int, ready: Bool, healthy: Bool, end: RolloutReport.End?)] = [
        ("Settled", 4, true, true, .settled), ("Settled", 3, true, true, nil), ("Settled", 4, false, true, nil),
        ("Settled", 4, true, false, .rolledBack), ("RolledBack", 4, true, false, .rolledBack),
        ("RolledBack", 3, true, false, nil), ("RollingBack", 4, true, true, nil), ("Paused", 4, true, true, nil),
        ("Analyzing", 4, true, true, nil), ("Promoting", 4, true, true, nil), ("Failed", 4, true, false, .rolledBack),
    ]

    @Test("ends when the spec as it is now has ended", arguments: ends.indices)
    func ending(_ index: Int) throws {
        let row = Self.ends[index]
        var model = try Self.canary()
        model["status", "rollout", "phase"] = .string(row.phase)
        model["status", "observedGeneration"] = JSONValue(row.generation)
        func condition(_ type: String, _ holds: Bool) -> JSONValue {
            ["type": .string(type), "status": .string(holds ? "True" : "False"), "reason": "R", "message": ""]
        }
        model["status", "conditions"] = [condition("Ready", row.ready), condition("RolloutHealthy", row.healthy)]
        #expect(RolloutReport(model, now: Self.now).end == row.end)
    }

    @Test("JSON has all but the judge's memory")
    func json() throws {
        let json = RolloutReport(try Self.canary(), pods: try Self.pods(), now: Self.now).json
        #expect(json.at("rollout", "judge") == nil)
        #expect(json.at("rollout", "judgement", "verdict") == "Inconclusive")
        #expect(json["pods"]?.array?.count == 5)
        #expect(json["history"]?.array?.count == 2)
    }

    @Test("text from elsewhere can't steer the terminal, and lines fit into it")
    func terminal() throws {
        var model = try Self.canary()
        model["status", "rollout", "message"] = "a\u{1b}[2J\u{7}b\nc"
        let lines = RolloutReport(model, now: Self.now).tree
        #expect(lines.allSatisfy { !$0.plain.contains { $0 == "\u{1b}" || $0 == "\u{7}" || $0 == "\n" } })
        for line in lines {
            let bare = line.colored(width: 30).replacing(#/\u{1b}\[[0-9]*m/#, with: "")
            #expect(bare.count <= 30)
        }
        #expect(StyledLine("abcdef", .good).colored(width: 4) == "\u{1b}[32mabc…\u{1b}[0m")
        #expect(StyledLine("abcdef").colored(width: 6) == "abcdef")
    }

    @Test("nonsense in status ends nothing")
    func nonsense() throws {
        for status: JSONValue in [
            7, [], ["rollout": 3, "stable": "x", "history": 4],
            ["rollout": ["stepIndex": -5, "stepCount": 99_999_999]],
            [
                "rollout": ["phase": "Analyzing", "stepCount": 3, "judgement": ["confidenceWorse": 7e300]],
                "canary": [:],
            ],
        ] {
            var model = try Self.canary()
            model["status"] = status
            let report = RolloutReport(model, now: Self.now)
            #expect(!report.tree.isEmpty && !report.historyLines.isEmpty && report.tree.count < 1100)
        }
    }

    @Test(
        "spans of time are written as people read them",
        arguments: [
            (-3, "0 s"), (59.9, "59 s"), (60, "1 m"), (252, "4 m 12 s"), (3600, "1 h"), (11_100, "3 h 5 m"),
            (90_000, "1 d 1 h"), (1e300, "11574074 d 1 h"),
        ] as [(Double, String)]
    )
    func spans(_ seconds: Double, _ text: String) { #expect(StyledLine.span(seconds: seconds) == text) }
}

@Suite("Rollout orders")
struct RolloutOrderTests {
    static func model(_ phase: String, stable: Int = 3, canary: Int? = 4, step: Int = 1) -> KubeObject {
        var rollout: JSONValue = [
            "phase": .string(phase), "stableRevision": JSONValue(stable), "stepIndex": JSONValue(step), "stepCount": 6,
        ]
        if let canary { rollout["canaryRevision"] = JSONValue(canary) }
        return KubeObject([
            "apiVersion": "modelfleet.dev/v1alpha1", "kind": "ModelDeployment",
            "metadata": ["name": "iris", "namespace": "shop", "uid": "u", "resourceVersion": "77"],
            "spec": [
                "model": ["uri": "file:///4", "version": "v4"], "resources": ["limits": ["cpu": "1"]],
                "scaling": ["minReplicas": 2],
            ],
            "status": [
                "rollout": rollout,
                "history": [
                    ["revision": 3, "outcome": "Promoted"], ["revision": 2, "outcome": "RolledBack"],
                    ["revision": 1, "outcome": "Promoted"],
                ],
            ],
        ])
    }

    private func request(_ order: RolloutOrder) -> String? {
        order.patch.json.at("metadata", "annotations", "modelfleet.dev/rollout-request")?.string
    }

    @Test("requests name the revision and the step that were seen")
    func requests() throws {
        let model = Self.model("Analyzing")
        #expect(request(try .promote(model, isFull: false, nonce: "n")) == "promote 4/1 n")
        #expect(request(try .promote(model, isFull: true, nonce: "n")) == "promote-full 4/1 n")
        #expect(request(try .abort(model, nonce: "n")) == "abort 4/1 n")
        #expect(request(try .retry(Self.model("RolledBack"), nonce: "n")) == "retry 4/1 n")
        #expect(
            try RolloutOrder.promote(model, isFull: false, nonce: "n").message
                == "iris: asked to promote revision 4 past step 2 of 6"
        )
        #expect(RolloutOrder.pause(model).patch == .merge(["spec": ["rollout": ["paused": true]]]))
    }

    @Test("an order that makes no sense now is refused with what to do instead")
    func refusals() {
        func refusal(_ body: () throws -> RolloutOrder) -> String? {
            do {
                _ = try body()
                return nil
            } catch {
                return "\(error)"
            }
        }
        let settled = Self.model("Settled")
        #expect(
            refusal { try .promote(settled, isFull: false, nonce: "n") }
                == "iris: no rollout is under way to promote: change its spec to start one"
        )
        #expect(refusal { try .abort(Self.model("RolledBack"), nonce: "n") }?.contains("rollout retry iris") == true)
        #expect(
            refusal { try .abort(Self.model("RollingBack"), nonce: "n") }?.contains("being rolled back already") == true
        )
        #expect(
            refusal { try .promote(Self.model("Promoting"), isFull: true, nonce: "n") }?.contains("already") == true
        )
        let back = Self.model("RollingBack")
        #expect(refusal { try .promote(back, isFull: false, nonce: "n") }?.contains("being rolled back") == true)
        #expect(refusal { try .promote(back, isFull: true, nonce: "n") } == nil, "the only way out of one that hangs")
        #expect(refusal { try .retry(settled, nonce: "n") }?.contains("rollout history iris") == true)
        let empty = KubeObject(["metadata": ["name": "iris"]])
        #expect(refusal { try .promote(empty, isFull: false, nonce: "n") } != nil)
    }

    func kept(_ number: Int, owner: String = "u", extra: JSONValue? = nil) -> KubeObject {
        var spec: JSONValue = ["model": ["uri": .string("file:///\(number)"), "version": .string("v\(number)")]]
        spec["template"] = extra
        return KubeObject([
            "apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": [
                "name": .string("iris-r\(number)"), "namespace": "shop",
                "ownerReferences": [
                    [
                        "uid": .string(owner), "controller": true, "kind": "ModelDeployment", "name": "iris",
                        "apiVersion": "x",
                    ]
                ],
            ],
            "revision": JSONValue(number), "data": ["spec": spec],
        ])
    }

    /// What to undo from, and where it goes.
    static let undos: [(phase: String, kept: [Int], to: Int?, target: Int?)] = [
        ("Settled", [1, 2, 3], nil, 1), ("Settled", [2, 3], nil, nil), ("Settled", [0, 2, 3], nil, 0),
        ("Analyzing", [1, 2, 3, 4], nil, 3), ("RolledBack", [3, 4], nil, 3), ("Settled", [1, 2, 3], 2, 2),
        ("Settled", [1, 3], 2, nil), ("Settled", [], nil, nil),
    ]

    @Test(
        "goes back to the stable revision during a rollout, else to the last good one, or where it is told",
        arguments: undos.indices
    )
    func undo(_ index: Int) throws {
        let row = Self.undos[index]
        let order = try? RolloutUndo.order(Self.model(row.phase), revisions: row.kept.map { kept($0) }, to: row.to)
        guard let target = row.target else {
            #expect(order == nil)
            return
        }
        let value: JSONValue = ["uri": .string("file:///\(target)"), "version": .string("v\(target)")]
        #expect(
            order?.patch
                == .json([
                    ["op": "test", "path": "/metadata/resourceVersion", "value": "77"],
                    ["op": "add", "path": "/spec/model", "value": value], ["op": "remove", "path": "/spec/resources"],
                ])
        )
        #expect(order?.message.contains("rollout retry") == (target == 2))
    }

    @Test("revisions of others aren't gone back to, and the spec that is there already isn't written")
    func others() throws {
        #expect((try? RolloutUndo.order(Self.model("Settled"), revisions: [kept(1, owner: "other")], to: 1)) == nil)
        var same = kept(4)
        same["data", "spec", "resources"] = ["limits": ["cpu": "1"]]
        #expect(throws: RolloutRefusal(description: "iris has the spec of revision 4 already")) {
            try RolloutUndo.order(Self.model("Analyzing"), revisions: [same], to: 4)
        }
        let order = try RolloutUndo.order(
            Self.model("Settled"),
            revisions: [kept(1, extra: ["metadata": ["labels": ["a": "b"]]])],
            to: 1
        )
        #expect(order.patch.json.array?.last?["path"] == "/spec/template")
    }
}
