// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeTesting
import Testing

@Suite("Lists with objects that can't be read", .timeLimit(.minutes(5)))
struct ListTests {
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
        let error = await #expect(throws: KubeError.self) {
            try await KubeClient(exchange: ScriptedExchange([.response(response)])).readablePage(
                .pods,
                options: ListOptions()
            )
        }
        #expect(error?.code == .unreadable)
    }
}
