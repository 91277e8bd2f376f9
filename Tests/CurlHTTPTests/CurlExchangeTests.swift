// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import HTTPMessages
import HTTPServing
import HTTPTypes
import Testing

@Suite("curl against our own server", .timeLimit(.minutes(5)))
struct CurlExchangeTests {
    /// Answers with what was asked.
    private let echo = ClosureExchange { request in
        let bytes = try await request.body.collect(upTo: 64 << 20)
        var response = HTTPResponseMessage(status: .ok, contentType: "application/octet-stream", bytes: bytes)
        response.head.headerFields[.allow] = request.head.method.rawValue
        response.head.headerFields[.contentLocation] = request.head.path
        response.head.headerFields[.accept] = request.head.headerFields[.contentType] ?? "none"
        response.head.headerFields[.server] = request.head.headerFields[.userAgent]
        return response
    }

    @Test(
        "a request's method, path, fields and body arrive, and the answer comes back",
        arguments: [
            HTTPRequest.Method.get, .post, .put, .patch, .delete, .head, .options,
        ]
    )
    func roundTrip(method: HTTPRequest.Method) async throws {
        try await withServer(echo) { server in
            let curl = CurlExchange()
            let hasBody = [.post, .put, .patch, .delete].contains(method)
            var request = server.request(method, "/a/../b%20c?x=1&y=", body: hasBody ? Array("hello".utf8) : [])
            request.head.headerFields[.contentType] = hasBody ? "application/json" : nil
            let response = try await curl.exchange(request)
            #expect(response.head.status == .ok)
            let fields = response.head.headerFields
            #expect(fields[.allow] == method.rawValue)
            #expect(fields[.contentLocation] == "/a/../b%20c?x=1&y=")
            #expect(fields[.accept] == (hasBody ? "application/json" : "none"))
            #expect(fields[.server] == "modelfleet")
            #expect(try await response.body.collect(upTo: 100) == Array((hasBody ? "hello" : "").utf8))
        }
    }

    @Test("a large body survives both ways")
    func largeBody() async throws {
        try await withServer(echo) { server in
            let bytes = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            let response = try await CurlExchange().exchange(server.request(.post, "/", body: bytes))
            #expect(try await response.body.collect(upTo: 6_000_000) == bytes)
        }
    }

    @Test("a refusal is a response, not an error")
    func tooManyRequests() async throws {
        let busy = ClosureExchange { _ in
            var response = HTTPResponseMessage(status: .tooManyRequests, text: "later")
            response.head.headerFields[.retryAfter] = "7"
            return response
        }
        try await withServer(busy) { server in
            let response = try await CurlExchange().exchange(server.request(.post, "/"))
            #expect(response.head.status == .tooManyRequests)
            #expect(response.head.headerFields[.retryAfter] == "7")
        }
    }

    @Test("an exchange that throws is answered with 500 and no details")
    func internalError() async throws {
        let broken = ClosureExchange { _ in throw CurlError(code: .other, message: "secret") }
        try await withServer(broken) { server in
            let response = try await CurlExchange().exchange(server.request(.get, "/"))
            #expect(response.head.status == .internalServerError)
            #expect(try await response.body.collect(upTo: 100) == Array("internal error\n".utf8))
        }
    }

    @Test("500 requests at once are all answered")
    func manyRequests() async throws {
        try await withServer(echo) { server in
            let curl = CurlExchange(configuration: CurlConfiguration(maximumConnections: 100))
            let answers = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<500 {
                    group.addTask {
                        let body = Array("body \(number)".utf8)
                        let response = try await curl.exchange(server.request(.post, "/\(number)", body: body))
                        return String(decoding: try await response.body.collect(upTo: 100), as: UTF8.self)
                    }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(answers.count == 500)
        }
    }

    @Test("chunks of a stream arrive one by one, before the stream ends")
    func streaming() async throws {
        let (chunks, more) = AsyncStream<[UInt8]>.makeStream()
        let stream = ClosureExchange { _ in
            HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(chunks))
        }
        try await withServer(stream) { server in
            let response = try await CurlExchange().exchange(server.request(.get, "/", timeout: nil))
            #expect(response.body.wholeBytes == nil)
            var reader = response.body.makeAsyncIterator()
            for number in 0..<3 {
                more.yield(Array("line \(number)\n".utf8))
                #expect(try await reader.next() == Array("line \(number)\n".utf8))
            }
            more.finish()
            #expect(try await reader.next() == nil)
        }
    }

    @Test("a slow reader holds the sender back")
    func backPressure() async throws {
        let body = EndlessBody(chunk: [UInt8](repeating: 7, count: 64 << 10))
        let endless = ClosureExchange { _ in
            HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body))
        }
        try await withServer(endless) { server in
            let response = try await CurlExchange().exchange(server.request(.get, "/", timeout: nil))
            var reader = response.body.makeAsyncIterator()
            var read = try await reader.next()?.count ?? 0
            // Waits until the sender stands still: two looks in a row with the same count.
            var before = -1
            while before != body.sent.value {
                before = body.sent.value
                try await Task.sleep(for: .milliseconds(200))
            }
            // Our buffer and the kernel's two: far below what an unbounded reader would have taken.
            #expect(before < 32 << 20)
            while read < before + (4 << 20) { read += try await reader.next()?.count ?? 0 }
            #expect(body.sent.value > before)
        }
        await body.ended.wait()
    }

    @Test("letting go of a body's reader ends the server's stream")
    func droppedReader() async throws {
        let body = EndlessBody(chunk: Array("x".utf8), isQuiet: true)
        let quiet = ClosureExchange { _ in
            HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body))
        }
        try await withServer(quiet) { server in
            let curl = CurlExchange()
            let response = try await curl.exchange(server.request(.get, "/", timeout: nil))
            for try await chunk in response.body {
                #expect(chunk == Array("x".utf8))
                break
            }
            await body.ended.wait()
        }
    }

    @Test("letting go of a response unread ends the server's stream")
    func droppedResponse() async throws {
        let body = EndlessBody(chunk: Array("x".utf8), isQuiet: true)
        let quiet = ClosureExchange { _ in
            HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body))
        }
        try await withServer(quiet) { server in
            let curl = CurlExchange()
            _ = try await curl.exchange(server.request(.get, "/", timeout: nil))
            await body.ended.wait()
        }
    }

    @Test("a cancelled task ends the server's stream in the middle of the body")
    func cancelledBody() async throws {
        let body = EndlessBody(chunk: Array("x".utf8), isQuiet: true)
        let quiet = ClosureExchange { _ in
            HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body))
        }
        try await withServer(quiet) { server in
            let curl = CurlExchange()
            let isReading = Signal()
            await #expect(throws: CancellationError.self) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        let response = try await curl.exchange(server.request(.get, "/", timeout: nil))
                        for try await _ in response.body { isReading.fire() }
                    }
                    await isReading.wait()
                    group.cancelAll()
                    try await group.waitForAll()
                }
            }
            await body.ended.wait()
        }
    }

    @Test("a cancelled task ends its request before the head, and the server's work on it")
    func cancelledHead() async throws {
        let started = Signal()
        let ended = Signal()
        let stuck = ClosureExchange { _ in
            started.fire()
            await Signal().wait()
            ended.fire()
            throw CancellationError()
        }
        try await withServer(stuck) { server in
            let curl = CurlExchange()
            await #expect(throws: CancellationError.self) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { _ = try await curl.exchange(server.request(.get, "/")) }
                    await started.wait()
                    group.cancelAll()
                    try await group.waitForAll()
                }
            }
            await ended.wait()
        }
    }

    @Test("a task that is cancelled already sends nothing")
    func cancelledBefore() async throws {
        let count = Counter()
        let counting = ClosureExchange { _ in
            count.add()
            return HTTPResponseMessage(status: .ok, text: "")
        }
        try await withServer(counting) { server in
            let curl = CurlExchange()
            await withTaskGroup(of: Void.self) { group in
                group.cancelAll()
                group.addTask {
                    await #expect(throws: CancellationError.self) {
                        _ = try await curl.exchange(server.request(.get, "/"))
                    }
                }
            }
        }
        #expect(count.value == 0)
    }

    @Test("a hundred requests at once share the one connection that they may have")
    func reuse() async throws {
        let statistics = HTTPServiceStatistics()
        try await withServer(echo, statistics: statistics) { server in
            let curl = CurlExchange(configuration: CurlConfiguration(maximumConnections: 1))
            // The last one waits for all others, on a machine that is busy with other tests.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<100 {
                    group.addTask { _ = try await curl.exchange(server.request(.get, "/", timeout: .seconds(120))) }
                }
                try await group.waitForAll()
            }
            #expect(statistics.connections == 1)
        }
    }
}
