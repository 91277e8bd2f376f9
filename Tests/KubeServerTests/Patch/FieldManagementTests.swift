// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import KubeServer

@Suite struct FieldManagementTests {
    private static let now = WallTime(seconds: 1_800_000_000)
    private let management: FieldManagement
    private let status: FieldManagement

    init() throws {
        let schema = try #require(TypeSchema.builtIn(.configMaps))
        management = FieldManagement(schema: schema, type: .configMaps)
        let deployments = try #require(TypeSchema.builtIn(.deployments))
        status = FieldManagement(schema: deployments, type: .deployments, subresource: "status")
    }

    private func map(_ data: JSONValue) -> JSONValue {
        ["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "m"], "data": data]
    }

    private func managers(_ object: JSONValue) -> [String] {
        (object.at("metadata", "managedFields")?.array ?? []).compactMap { $0["manager"]?.string }
    }

    @Test("forgets all owners when managedFields is one empty entry")
    func cleared() {
        let live = management.update(live: nil, new: map(["a": "1"]), manager: "one", now: Self.now)
        #expect(managers(live) == ["one"])
        var new = live
        new.set([[:]], at: "metadata", "managedFields")
        let cleared = management.update(live: live, new: new, manager: "two", now: Self.now)
        #expect(cleared.at("metadata", "managedFields") == nil)
    }

    @Test("gives a live object without owners to before-first-apply")
    func beforeFirstApply() throws {
        let live = map(["a": "1", "b": "2"])
        #expect(throws: APIStatus.self) {
            try management.apply(live: live, applied: map(["a": "9"]), manager: "x", force: false, now: Self.now)
        }
        let result = try management.apply(
            live: live,
            applied: map(["a": "9"]),
            manager: "x",
            force: true,
            now: Self.now
        )
        #expect(managers(result) == ["x", "before-first-apply"])
        #expect(result["data"] == ["a": "9", "b": "2"])
    }

    @Test("lets kubectl take over what its client-side apply wrote")
    func lastApplied() throws {
        var object = map(["a": "1"])
        object.set(
            .string(map(["a": "1"]).jsonText),
            at: "metadata",
            "annotations",
            "kubectl.kubernetes.io/last-applied-configuration"
        )
        let live = management.update(live: nil, new: object, manager: "kubectl-client-side-apply", now: Self.now)
        let result = try management.apply(
            live: live,
            applied: map(["a": "2"]),
            manager: "kubectl",
            force: false,
            now: Self.now
        )
        #expect(result.at("data", "a") == "2")
        #expect(throws: APIStatus.self) {
            try management.apply(live: live, applied: map(["a": "2"]), manager: "other", force: false, now: Self.now)
        }
    }

    @Test("keeps a shared field until its last owner gives it up")
    func shared() throws {
        let one = try management.apply(
            live: nil,
            applied: map(["a": "1", "b": "2"]),
            manager: "one",
            force: false,
            now: Self.now
        )
        let both = try management.apply(
            live: one,
            applied: map(["a": "1"]),
            manager: "two",
            force: false,
            now: Self.now
        )
        let rest = try management.apply(
            live: both,
            applied: map(["b": "2"]),
            manager: "one",
            force: false,
            now: Self.now
        )
        #expect(rest["data"] == ["a": "1", "b": "2"])
        let gone = try management.apply(live: rest, applied: map([:]), manager: "two", force: false, now: Self.now)
        #expect(gone["data"] == ["b": "2"])
    }

    @Test("owns nothing but status through the status subresource")
    func statusOnly() {
        let live: JSONValue = [
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": ["name": "d", "managedFields": [Self.entry]], "spec": ["replicas": 1], "status": [:],
        ]
        var new = live
        new.set(3, at: "spec", "replicas")
        new.set(1, at: "status", "replicas")
        let result = status.update(live: live, new: new, manager: "kubelet", now: Self.now)
        let entry = result.at("metadata", "managedFields")?.array?.first { $0["manager"] == "kubelet" }
        #expect(entry?["fieldsV1"] == ["f:status": ["f:replicas": [:]]])
        #expect(entry?["subresource"] == "status")
    }

    private static let entry: JSONValue = [
        "manager": "m", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
        "fieldsV1": ["f:spec": ["f:paused": [:]]],
    ]

    @Test("refuses to apply a field that the type doesn't have")
    func unknownField() {
        var object = map(["a": "1"])
        object["dta"] = [:]
        do {
            _ = try management.apply(live: nil, applied: object, manager: "x", force: false, now: Self.now)
            Issue.record("applied")
        } catch {
            #expect(
                error.message
                    == "failed to create typed patch object (/m; v1, Kind=ConfigMap): .dta: field not declared in schema"
            )
        }
    }

    @Test("sees that nothing but a time has changed")
    func emptyChange() throws {
        let live = try management.apply(
            live: nil,
            applied: map(["a": "1"]),
            manager: "one",
            force: false,
            now: Self.now
        )
        let later = Self.now + .seconds(60)
        let same = try management.apply(
            live: live,
            applied: map(["a": "1"]),
            manager: "one",
            force: false,
            now: later
        )
        #expect(FieldManagement.withoutEmptyChange(live: live, new: same) == live)
        let changed = try management.apply(
            live: live,
            applied: map(["a": "2"]),
            manager: "one",
            force: false,
            now: later
        )
        #expect(FieldManagement.withoutEmptyChange(live: live, new: changed) == changed)
    }

    @Test("lists several conflicts by manager")
    func conflicts() throws {
        let one = try management.apply(live: nil, applied: map(["a": "1"]), manager: "one", force: false, now: Self.now)
        let two = try management.apply(
            live: one,
            applied: map(["b": "1", "c": "1"]),
            manager: "two",
            force: false,
            now: Self.now
        )
        do {
            _ = try management.apply(
                live: two,
                applied: map(["a": "2", "b": "2", "c": "2"]),
                manager: "three",
                force: false,
                now: Self.now
            )
            Issue.record("applied")
        } catch {
            #expect(
                error.message == """
                    Apply failed with 3 conflicts: conflicts with "one":
                    - .data.a
                    conflicts with "two":
                    - .data.b
                    - .data.c
                    """
            )
            #expect(error.causes.count == 3)
        }
    }

    @Test("of many conflicts a thousand are listed, with long names cut")
    func manyConflicts() throws {
        let long = String(repeating: "k", count: 10_000)
        func many(_ value: JSONValue) -> JSONValue {
            map(.object(JSONObject(pairs: (0..<3000).map { ("n\($0)", value) } + [(long, value)])))
        }
        let one = try management.apply(live: nil, applied: many("1"), manager: "one", force: false, now: Self.now)
        do {
            _ = try management.apply(live: one, applied: many("2"), manager: "two", force: false, now: Self.now)
            Issue.record("applied")
        } catch {
            #expect(error.code == 409 && error.causes.count == 1000)
            #expect(error.causes.first?.field.hasPrefix(".data.kkk") == true)
            #expect(error.causes.allSatisfy { $0.field.utf8.count < 300 })
        }
    }

    @Test("merges lists in the applied order, with live elements in their places")
    func listOrder() {
        let shape = TypeShape.list(.scalar(.unchecked), .set)
        func merged(_ live: [JSONValue], _ applied: [JSONValue]) -> JSONValue {
            TypedValue(value: .array(live), shape: shape).merging(.array(applied))
        }
        #expect(merged([1, 2, 3], [4]) == [1, 2, 3, 4])
        #expect(merged([1, 2, 3], [2]) == [1, 2, 3])
        #expect(merged([1, 2, 3], [3, 1]) == [2, 3, 1])
        #expect(merged([], [2, 1]) == [2, 1])
    }
}
