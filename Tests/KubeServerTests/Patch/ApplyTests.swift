// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import KubeServer

@Suite("Server-side apply, where its library is particular")
struct ApplyTests {
    private let widgets: AppliedWidget

    init() throws { widgets = try AppliedWidget() }

    private func fields(_ object: JSONValue, of manager: String) -> JSONValue? {
        object.at("metadata", "managedFields")?.array?.first { $0["manager"]?.string == manager }?["fieldsV1"]
    }

    @Test("null takes nothing away from what others put there")
    func nulls() throws {
        let spec: JSONValue = ["labels": ["a": "1"], "parts": [["name": "p"]], "tags": ["t"], "nested": ["a": 1]]
        let one = try widgets.apply(spec, to: nil)
        let two = try widgets.apply(
            ["labels": .null, "parts": .null, "tags": .null, "nested": .null, "size": .null],
            to: one,
            by: "two"
        )
        #expect(
            two["spec"] == [
                "labels": ["a": "1"], "parts": [["name": "p"]], "tags": ["t"], "nested": ["a": 1], "size": .null,
            ]
        )
        #expect(fields(two, of: "one") == fields(one, of: "one"))
    }

    @Test("what somebody else owns stays when all in it is given up")
    func emptied() throws {
        let one = try widgets.apply(["nested": [:], "labels": [:]], to: nil)
        let two = try widgets.apply(["nested": ["a": 1], "labels": ["a": "1"]], to: one, by: "two")
        #expect(two["spec"] == ["nested": ["a": 1], "labels": ["a": "1"]])
        #expect(try widgets.apply([:], to: two, by: "two")["spec"] == ["nested": [:], "labels": [:]])
    }

    @Test("elements that an update left with one key are owned, and replaced, as a whole")
    func repeated() throws {
        let twice: JSONValue = [
            "parts": [["name": "p", "size": 1], ["name": "p", "size": 2], ["name": "q", "size": 3]]
        ]
        let live = widgets.management.update(
            live: nil,
            new: AppliedWidget.object(twice),
            manager: "up",
            now: AppliedWidget.now
        )
        #expect(
            fields(live, of: "up")?.at("f:spec", "f:parts") == [
                ".": [:], #"k:{"name":"p"}"#: [:], #"k:{"name":"q"}"#: [".": [:], "f:name": [:], "f:size": [:]],
            ]
        )
        var changed = live
        changed.set([["name": "p", "size": 2], ["name": "q", "size": 3]], at: "spec", "parts")
        let once = widgets.management.update(live: live, new: changed, manager: "other", now: AppliedWidget.now)
        #expect(
            fields(once, of: "other")?.at("f:spec", "f:parts") == [
                #"k:{"name":"p"}"#: [".": [:], "f:name": [:], "f:size": [:]]
            ]
        )
        let applied = try widgets.apply(["parts": [["name": "p"]]], to: live, force: true)
        #expect(applied.at("spec", "parts") == [["name": "p"], ["name": "q", "size": 3]])
    }

    @Test("another order is a change, with its time")
    func order() throws {
        let live = try widgets.apply(["parts": [["name": "p"], ["name": "q"]]], to: nil)
        let later = try widgets.management.apply(
            live: live,
            applied: AppliedWidget.object(["parts": [["name": "q"], ["name": "p"]]]),
            manager: "one",
            force: false,
            now: WallTime(seconds: 1_800_000_060)
        )
        #expect(later.at("spec", "parts") == [["name": "q"], ["name": "p"]])
        #expect(later.at("metadata", "managedFields")?[0]?["time"] == "2027-01-15T08:01:00Z")
    }

    @Test("an empty list of managed fields clears them, as one of an empty entry does")
    func cleared() throws {
        let live = try widgets.apply(["size": 1], to: nil)
        var new = live
        new.set([], at: "metadata", "managedFields")
        let cleared = widgets.management.update(live: live, new: new, manager: "two", now: AppliedWidget.now)
        #expect(cleared.at("metadata", "managedFields") == nil)
    }

    @Test("names that only look the same are different fields")
    func spellings() throws {
        let one = try widgets.apply(["labels": ["\u{e9}": "1"]], to: nil)
        let two = try widgets.apply(["labels": ["e\u{301}": "2"]], to: one, by: "two")
        #expect(two.at("spec", "labels")?.object?.count == 2)
        #expect(try widgets.apply([:], to: two).at("spec", "labels")?.object?.keys.first?.unicodeScalars.count == 2)
    }

    @Test("kubectl hears of the conflicts that its client-side apply doesn't explain, and of no others")
    func unexplained() throws {
        var object = AppliedWidget.object(["size": 1, "name": "a", "on": true])
        let last = AppliedWidget.object(["size": 1, "name": "b"]).jsonText
        object.set(.string(last), at: "metadata", "annotations", FieldManagement.lastApplied)
        let live = widgets.management.update(live: nil, new: object, manager: "up", now: AppliedWidget.now)
        do {
            _ = try widgets.apply(["size": 2, "name": "c", "on": false], to: live, by: "kubectl")
            Issue.record("no conflict")
        } catch {
            #expect(error.causes.map(\.field) == [".spec.name", ".spec.on"])
        }
        #expect(try widgets.apply(["size": 2], to: live, by: "kubectl").at("spec", "size") == 2)
        var newer = live
        newer.set(
            .string(last.replacing("example.com/v1", with: "example.com/v2")),
            at: "metadata",
            "annotations",
            FieldManagement.lastApplied
        )
        #expect(throws: APIStatus.self) { try widgets.apply(["size": 2], to: newer, by: "kubectl") }
    }
}
