// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Synchronization

/// A watch that looks at the bytes of each event only, so that the watcher costs next to nothing.
struct LineWatch: Sendable {
    /// The server.
    let server: BenchServer
    /// What is watched.
    let type: ResourceType
    /// The version after which it begins.
    let version: String
    /// The exchange, where the watch shall have a connection of its own.
    var exchange: (any HTTPExchange)?

    /// The version of a resource's newest state.
    static func newest(_ type: ResourceType, _ server: BenchServer) async throws -> String {
        let page = try await server.client.page(type, namespace: BenchServer.namespace, options: ListOptions(limit: 1))
        return page.resourceVersion
    }

    /// Calls `onLine` with each event's line until it answers false or the task is cancelled.
    func read(_ onLine: (ArraySlice<UInt8>) -> Bool) async throws {
        var server = server
        if let exchange {
            server = BenchServer(
                kubeconfig: server.kubeconfig,
                connection: server.connection,
                process: server.process,
                exchange: exchange
            )
        }
        let path = type.path(namespace: BenchServer.namespace) + "?watch=1&resourceVersion=\(version)"
        let answer = try await server.open(path, accept: "application/json", timeout: nil)
        guard answer.head.status == .ok else { throw BenchError("watch \(type): \(answer.head.status)") }
        var rest: [UInt8] = []
        for try await chunk in answer.body {
            var start = chunk.startIndex
            while let end = chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
                var goesOn = true
                if rest.isEmpty {
                    goesOn = onLine(chunk[start..<end])
                } else {
                    rest += chunk[start..<end]
                    goesOn = onLine(rest[...])
                    rest.removeAll(keepingCapacity: true)
                }
                guard goesOn else { return }
                start = end + 1
            }
            rest += chunk[start...]
        }
        if !Task.isCancelled { throw BenchError("the watch of \(type) ended too early") }
    }

    /// Whether a line tells of a new object; the type stands first or last.
    static func isAddition(_ line: ArraySlice<UInt8>) -> Bool {
        line.starts(with: first) || line.suffix(last.count).elementsEqual(last)
    }

    private static let first = Array(#"{"type":"ADDED""#.utf8)
    private static let last = Array(#""type":"ADDED"}"#.utf8)
}
