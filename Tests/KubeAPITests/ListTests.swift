// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeTesting
import Testing

@Suite("Long lists, object by object", .timeLimit(.minutes(5)))
struct ListTests {
    private func read(_ answers: [ScriptedExchange.Answer]) async throws -> (parts: [String], version: String) {
        let client = KubeClient(exchange: ScriptedExchange(answers))
        var parts: [String] = []
        let version = try await client.readList(
            .pods,
            projection: JSONProjection(dropping: [["metadata", "managedFields"]])
        ) { part in
            switch part {
            case .item(let object):
                let hasManagers = object["metadata", "managedFields"] != nil
                parts.append("\(object.kind) \(object.name)\(hasManagers ? " managed" : "")")
            case .restarted: parts.append("restarted")
            }
        }
        return (parts, version)
    }

    @Test("objects come in order over the pages, without what is dropped")
    func pages() async throws {
        let managed = KubeObject(["metadata": ["name": "a", "managedFields": [["manager": "x"]]]])
        let result = try await read([
            .json(200, Make.list(.pods, [managed], version: "7", continueToken: "t")),
            .json(200, Make.list(.pods, [Make.pod("b")], version: "7")),
        ])
        #expect(result.parts == ["Pod a", "Pod b"] && result.version == "7")
    }

    @Test("an expired token begins the list anew, and says so")
    func restarted() async throws {
        let expired = APIStatus(code: 410, reason: "Expired", message: "too old")
        let result = try await read([
            .json(200, Make.list(.pods, [Make.pod("a")], continueToken: "t")), .json(410, expired.json),
            .json(200, Make.list(.pods, [Make.pod("b"), Make.pod("c")], version: "9")),
        ])
        #expect(result.parts == ["Pod a", "restarted", "Pod b", "Pod c"] && result.version == "9")
    }

    @Test("an object that can't be read keeps no other from being read, unless nobody knows which it is")
    func unreadable() async throws {
        let deep = String(repeating: #"{"a":"#, count: 600) + "1" + String(repeating: "}", count: 600)
        func page(_ metadata: String) async throws -> KubeList {
            let item = #"{"metadata":{\#(metadata)},"spec":\#(deep)}"#
            let text = #"{"metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"b"}}, \#(item) ]}"#
            let answer = HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: Array(text.utf8))
            let client = KubeClient(exchange: ScriptedExchange([.response(answer)]))
            return try await client.readablePage(.pods, options: ListOptions())
        }
        let list = try await page(#""name":"d","namespace":"n","resourceVersion":"7""#)
        #expect(list.items.map(\.name) == ["b"] && list.items[0].kind == "Pod" && list.resourceVersion == "9")
        #expect(list.unreadable.map(\.key) == [ObjectKey(namespace: "n", name: "d")])
        #expect(list.unreadable.first?.resourceVersion == "7" && list.unreadable.first?.isDeleted == false)
        let error = await #expect(throws: KubeError.self) { try await page(#""uid":"u""#) }
        #expect(error?.code == .unreadable)
    }

    @Test("a cut page is an error")
    func cut() async {
        let bytes = Array(#"{"items":[{"metadata":{"name":"a"}},{"meta"#.utf8)
        let response = HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: bytes)
        let error = await #expect(throws: KubeError.self) { try await read([.response(response)]) }
        #expect(error?.code == .unreadable)
    }
}
