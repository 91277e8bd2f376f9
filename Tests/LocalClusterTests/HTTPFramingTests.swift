// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Synchronization
import Testing

@testable import LocalCluster

@Suite("The Service proxy passes every kind of HTTP/1 message")
struct HTTPFramingTests {
    private let world = ProxyWorld()

    /// Sends `text` on a connection of its own and gives so many answers; `isOver` says that the connection ended after
    /// them.
    private func talk(_ text: String, answers count: Int, isHead: Bool = false) async throws -> (
        all: [SmallAnswer], isOver: Bool
    ) {
        var all: [SmallAnswer] = []
        var isOver = false
        try await SmallClient(to: world.address, port: world.port).talk { line in
            var reader = AnswerReader()
            try await line.send(text)
            while all.count < count, let answer = try await reader.next(&line, isHead: isHead) { all.append(answer) }
            if all.last?.fields["connection"] == "close" {
                isOver = try await line.receive() == nil && reader.rest.isEmpty
            }
        }
        return (all, isOver)
    }

    private func run(_ body: (ServiceProxy, SmallHTTPServer) async throws -> Void) async throws {
        try await world.run { proxy, stable, _ in
            proxy.update(world.table([stable], []))
            try await body(proxy, stable)
        }
    }

    @Test("Large bodies stream both ways, in chunks and with a length", .timeLimit(.minutes(3)))
    func bodies() async throws {
        try await run { _, _ in
            let text = String(decoding: SmallServer.pattern(0, 3 << 20).map { $0 % 64 + 32 }, as: UTF8.self)
            let (sized, _) = try await talk(
                "PUT /echo HTTP/1.1\r\nhost: a\r\ncontent-length: \(text.utf8.count)\r\n\r\n\(text)",
                answers: 1
            )
            #expect(sized.first?.body == text)
            var chunks = ""
            var rest = text[...]
            while !rest.isEmpty {
                let part = rest.prefix(100_000)
                rest = rest.dropFirst(100_000)
                chunks += String(part.utf8.count, radix: 16) + "\r\n\(part)\r\n"
            }
            let (chunked, _) = try await talk(
                "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\(chunks)0\r\n\r\n",
                answers: 1
            )
            #expect(chunked.first?.body == text)
        }
    }

    @Test("Requests that come together are answered in order", .timeLimit(.minutes(3)))
    func pipelining() async throws {
        try await run { _, stable in
            let requests = (0..<50).map { number in
                let body = "body \(number)"
                return number % 2 == 0
                    ? "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: \(body.count)\r\n\r\n\(body)"
                    : "GET / HTTP/1.1\r\nhost: a\r\n\r\n"
            }
            let (all, _) = try await talk(requests.joined(), answers: 50)
            #expect(all.map(\.body) == (0..<50).map { $0 % 2 == 0 ? "body \($0)" : "stable" })
            #expect(stable.requests == 50)
        }
    }

    @Test("A client that asks first is told to go on", .timeLimit(.minutes(3)))
    func expectations() async throws {
        try await run { _, _ in
            try await SmallClient(to: world.address, port: world.port).talk { line in
                var reader = AnswerReader()
                try await line.ask("/echo", method: "POST", fields: "expect: 100-continue\r\ncontent-length: 5\r\n")
                #expect(try await reader.next(&line)?.status == 100)
                try await line.send("hello")
                #expect(try await reader.next(&line)?.body == "hello")
                try await line.ask("/")
                #expect(try await reader.next(&line)?.body == "stable")
            }
            let (refused, isOver) = try await talk(
                "POST /early HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
                answers: 1
            )
            #expect(refused.first?.status == 413)
            #expect(isOver)
        }
    }

    @Test("HEAD has no body and leaves the connection usable", .timeLimit(.minutes(3)))
    func head() async throws {
        try await run { _, _ in
            let (all, _) = try await talk(
                ["/", "/echo", "/"].map { "HEAD \($0) HTTP/1.1\r\nhost: a\r\n\r\n" }.joined(),
                answers: 3,
                isHead: true
            )
            #expect(all.map(\.status) == [200, 200, 200])
            #expect(all[0].fields["content-length"] == "6")
        }
    }

    @Test("HTTP/1.0 and connection: close end as they ask", .timeLimit(.minutes(3)))
    func versions() async throws {
        try await run { _, _ in
            var (all, isOver) = try await talk("GET / HTTP/1.0\r\n\r\n", answers: 1)
            #expect(all.first?.version == "HTTP/1.0" && all.first?.body == "stable" && isOver)
            (all, _) = try await talk(
                "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
                answers: 2
            )
            #expect(all.map(\.body) == ["stable", "stable"])
            #expect(all.first?.fields["connection"] == "keep-alive")
            (all, isOver) = try await talk("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", answers: 1)
            #expect(all.first?.body == "stable" && isOver)
            (all, isOver) = try await talk("GET /endless HTTP/1.0\r\n\r\n", answers: 1)
            #expect(all.first?.body == "stable to the end" && isOver)
        }
    }

    @Test(
        "A pod that closes, or that ends a body by closing, doesn't end the client's connection",
        .timeLimit(.minutes(3))
    )
    func podCloses() async throws {
        try await run { _, stable in
            let bodies = try await world.ask(["/close", "/endless", "/", "/endless", "/close"])
            #expect(bodies == ["stable", "stable to the end", "stable", "stable to the end", "stable"])
            // Three of the answers end their connections.
            #expect(stable.seen.withLock { $0.connections } >= 4)
        }
    }

    @Test("A client that ends its sending still gets its answer", .timeLimit(.minutes(3)))
    func halfClosed() async throws {
        try await run { _, _ in
            let text = "GET / HTTP/1.1\r\nhost: a\r\n\r\nPOST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi"
            let bytes = try await SmallClient(to: world.address, port: world.port).exchange(Array(text.utf8))
            let first = try #require(AnswerReader.parse(bytes, isHead: false, isEnd: true))
            #expect(first.0.body == "stable")
            let second = AnswerReader.parse(Array(bytes.dropFirst(first.1)), isHead: false, isEnd: true)
            #expect(second?.0.body == "hi")
        }
    }

    @Test("An upgrade, CONNECT and what isn't HTTP go on as bytes", .timeLimit(.minutes(3)))
    func tunnels() async throws {
        try await run { _, _ in
            try await SmallClient(to: world.address, port: world.port).talk { line in
                var reader = AnswerReader()
                try await line.ask("/")
                #expect(try await reader.next(&line)?.body == "stable")
                try await line.send(
                    "GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: parrot\r\n\r\nfirst"
                )
                let answer = try await reader.next(&line)
                #expect(answer?.status == 101 && answer?.fields["upgrade"] == "parrot")
                var heard = String(decoding: reader.rest, as: UTF8.self)
                while heard.utf8.count < 5 {
                    heard += String(decoding: try #require(try await line.receive()), as: UTF8.self)
                }
                #expect(heard == "first")
                try await line.send("\u{0}\u{1}")
                #expect(try await line.receive() == [0, 1])
            }
        }
        try await world.run { proxy, _, _ in
            let echo = try await SmallServer.start(on: Loopback.address())
            proxy.update(world.rawTable(echo))
            for text in [
                "CONNECT a:1 HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\u{16}\u{3}\u{1}x", "GE",
                "hello\n",
            ] {
                let bytes = Array(text.utf8)
                #expect(try await SmallClient(to: world.address, port: world.port).exchange(bytes) == bytes)
            }
            await echo.stop()
        }
    }

    @Test("What is no request is answered, not passed on", .timeLimit(.minutes(3)))
    func malformed() async throws {
        try await run { _, stable in
            let rows: [(String, Int)] = [
                ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400), ("GET / FTP/1.1\r\n\r\n", 400),
                ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
                ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400),
                ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
                ("GET / HTTP/1.1\r\nx: \(String(repeating: "a", count: 70_000))\r\n\r\n", 431),
                ("GET / HTTP/1.1\r\n\(String(repeating: "a: b\r\n", count: 300))\r\n", 431),
            ]
            for (text, status) in rows {
                let (all, isOver) = try await talk(text, answers: 1)
                #expect(all.first?.status == status, "\(text.prefix(80))")
                #expect(isOver)
            }
            #expect(stable.requests == 0)
        }
    }

    @Test("A client that doesn't read holds the pod back, and gets every byte later", .timeLimit(.minutes(3)))
    func backPressure() async throws {
        try await run { _, stable in
            try await SmallClient(to: world.address, port: world.port).talk { line in
                try await line.ask("/flood", fields: "connection: close\r\n")
                var calm = 0
                var last = -1
                try await until("the pod is held back") {
                    try await Task.sleep(for: .milliseconds(80))
                    let now = stable.seen.withLock { $0.floodedBytes }
                    calm = now == last ? calm + 1 : 0
                    last = now
                    return now > 0 && calm >= 5
                }
                #expect(last < 48 << 20)
                var received: [UInt8] = []
                while let part = try await line.receive() { received += part }
                let end = try #require(received.firstRange(of: Array("\r\n\r\n".utf8)))
                #expect(Array(received[end.upperBound...]) == SmallServer.pattern(0, 48 << 20))
            }
        }
    }
}

extension ProxyWorld {
    /// A table with one pod that isn't an HTTP server behind the HTTP port.
    func rawTable(_ server: SmallServer) -> ServiceTable {
        var table = table([], [])
        let target = ServiceTarget(address: server.channel.localAddress?.ipAddress ?? "", port: server.port)
        for listener in table.targets.keys { table.targets[listener] = [target] }
        return table
    }
}
