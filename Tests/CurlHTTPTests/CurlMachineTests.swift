// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing

@testable import CurlHTTP

@Suite("the loop's state machine")
struct CurlLoopStateMachineTests {
    @Test("the first start starts the thread, later ones wake it once")
    func starts() {
        var machine = CurlLoopStateMachine<Int>()
        #expect(machine.submitted(1, beginsWork: true) == .startThread)
        #expect(machine.submitted(2, beginsWork: true) == .nothing)
        #expect(machine.commandsTaken().commands == [1, 2])
        #expect(machine.submitted(3, beginsWork: true) == .wake)
        #expect(machine.submitted(4, beginsWork: false) == .nothing)
        #expect(machine.commandsTaken().commands == [3, 4])
        #expect(machine.commandsTaken().commands.isEmpty)
    }

    @Test("a cancel of nothing starts no thread and is not kept")
    func cancelBeforeStart() {
        var machine = CurlLoopStateMachine<Int>()
        #expect(machine.submitted(1, beginsWork: false) == .refused)
        #expect(machine.state == .idle)
        #expect(machine.commandsTaken().commands.isEmpty)
    }

    @Test("a start after the stop is refused, whether the thread still runs or not")
    func startAfterStop() {
        var machine = CurlLoopStateMachine<Int>()
        #expect(machine.submitted(1, beginsWork: true) == .startThread)
        #expect(machine.commandsTaken().isStopping == false)
        #expect(machine.stopRequested() == .wake)
        #expect(machine.submitted(2, beginsWork: true) == .refused)
        #expect(machine.commandsTaken().isStopping)
        #expect(machine.loopEnded().isEmpty)
        #expect(machine.submitted(3, beginsWork: true) == .refused)
        #expect(machine.loopEnded().isEmpty)
    }

    @Test("a start that came just before the stop is handed back")
    func startJustBeforeStop() {
        var machine = CurlLoopStateMachine<Int>()
        #expect(machine.submitted(1, beginsWork: true) == .startThread)
        #expect(machine.commandsTaken().commands == [1])
        #expect(machine.submitted(2, beginsWork: true) == .wake)
        #expect(machine.stopRequested() == .nothing)
        #expect(machine.loopEnded() == [2])
    }

    @Test("nobody wakes a thread that is gone, or never was")
    func noWakeAfterEnd() {
        var machine = CurlLoopStateMachine<Int>()
        #expect(machine.stopRequested() == .nothing)
        #expect(machine.state == .stopped)
        #expect(machine.submitted(1, beginsWork: true) == .refused)

        machine = CurlLoopStateMachine<Int>()
        #expect(machine.submitted(1, beginsWork: true) == .startThread)
        #expect(machine.threadFailed() == [1])
        #expect(machine.submitted(2, beginsWork: false) == .refused)
        #expect(machine.stopRequested() == .nothing)
    }
}

@Suite("response heads")
struct ResponseHeadParserTests {
    private func parse(_ lines: [String]) -> ResponseHeadParser.OnLine {
        var parser = ResponseHeadParser()
        var last = ResponseHeadParser.OnLine.more
        for line in lines {
            last = parser.consume(Array((line + "\r\n").utf8))
            if last != .more { return last }
        }
        return last
    }

    @Test("status and fields are taken, for both versions of HTTP")
    func parses() {
        for version in ["HTTP/1.1 404 Not Found", "HTTP/2 404"] {
            var fields = HTTPFields()
            fields[.contentType] = "text/plain"
            fields.append(HTTPField(name: .setCookie, value: "a"))
            fields.append(HTTPField(name: .setCookie, value: "b: c"))
            let lines = [version, "Content-Type:  text/plain ", "set-cookie: a", "Set-Cookie: b: c", ""]
            #expect(parse(lines) == .head(HTTPResponse(status: .notFound, headerFields: fields)))
        }
    }

    @Test("informational heads are skipped")
    func informational() {
        let lines = ["HTTP/1.1 100 Continue", "", "HTTP/1.1 103 Early Hints", "Link: x", "", "HTTP/1.1 200 OK", ""]
        #expect(parse(lines) == .head(HTTPResponse(status: .ok)))
    }

    @Test(
        "what isn't HTTP is refused",
        arguments: [
            ["ICY 200 OK"], ["HTTP/1.1"], ["HTTP/1.1 xx"], ["HTTP/1.1 99"], ["HTTP/1.1 1000"], [""],
            ["HTTP/1.1 200 OK", "a: " + String(repeating: "x", count: 1 << 20)],
        ]
    )
    func invalid(lines: [String]) {
        #expect(parse(lines) == .invalid)
    }

    @Test("trailers after the head are left alone")
    func trailers() {
        var parser = ResponseHeadParser()
        _ = parser.consume(Array("HTTP/1.1 200 OK\r\n".utf8))
        _ = parser.consume(Array("\r\n".utf8))
        #expect(parser.consume(Array("x: y\r\n".utf8)) == .more)
    }
}

@Suite("hosts and ports")
struct HostAndPortTests {
    @Test(
        "an authority is taken apart",
        arguments: [
            ("a.example", "https", "a.example:443"), ("a", "http", "a:80"), ("a:8080", "http", "a:8080"),
            ("[::1]:6443", "https", "[::1]:6443"), ("[::1]", "http", "[::1]:80"), ("u:p@h:1", "http", "h:1"),
        ]
    )
    func parses(authority: String, scheme: String, expected: String) throws {
        #expect(try HostAndPort(authority, scheme: scheme).description == expected)
    }

    @Test("nonsense is refused", arguments: ["", ":1", "a:", "a:x", "a:65536", "a:-1", "[]:1"])
    func refuses(authority: String) {
        #expect(throws: CurlError.self) { try HostAndPort(authority, scheme: "http") }
    }

    @Test(
        "knows addresses from names",
        arguments: [
            ("10.1.2.3:80", true), ("[::1]:80", true), ("localhost", false), ("10.example.com", false), ("a1", false),
        ]
    )
    func addresses(authority: String, expected: Bool) throws {
        #expect(try HostAndPort(authority, scheme: "http").isAddress == expected)
    }
}
