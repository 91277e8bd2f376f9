// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import Rollouts
import Synchronization
import Telemetry
import Testing

@testable import Controllers

@Suite("Checks of an analysis")
struct ChecksTests {
    private static let now = WallTime(seconds: 1_000_000)

    /// An answer of Prometheus and what it means for bounds of 1 to 5.
    struct Answer: Sendable, CustomTestStringConvertible {
        var name: String
        var values: [Double]
        var age = 0.0
        var warnings: [String] = []
        var answer: RolloutCheck.Answer
        var testDescription: String { name }
    }

    static let answers: [Answer] = [
        Answer(name: "within", values: [3], answer: .passed),
        Answer(name: "at the bounds", values: [1, 5], answer: .passed),
        Answer(name: "above", values: [3, 5.1], answer: .failed),
        Answer(name: "below", values: [0.9], answer: .failed),
        Answer(name: "infinite", values: [.infinity], answer: .failed),
        Answer(name: "NaN", values: [.nan], answer: .unknown),
        Answer(name: "NaN beside good values", values: [3, .nan], answer: .unknown),
        Answer(name: "NaN beside a bad value", values: [.nan, 9], answer: .failed),
        Answer(name: "no series", values: [], answer: .unknown),
        Answer(name: "too old", values: [3], age: 61, answer: .unknown),
        Answer(name: "of the future", values: [3], age: -61, answer: .unknown),
        Answer(name: "good, but partial", values: [3], warnings: ["a store is away"], answer: .unknown),
        Answer(name: "bad, and partial", values: [9], warnings: ["a store is away"], answer: .failed),
    ]

    @Test("a query's values must all be there and within the bounds", arguments: answers)
    func queries(_ row: Answer) {
        let series = row.values.map {
            PrometheusSeries(labels: ["pod": "a"], value: $0, time: Self.now.seconds - row.age)
        }
        let answer = PrometheusAnswer(series: series, warnings: row.warnings)
        let outcome = CheckRule.judge("q", answer, min: 1, max: 5, now: Self.now)
        #expect(outcome.answer == row.answer, "\(outcome.message)")
    }

    @Test(
        "a webhook's status decides, and only the check's own no is one",
        arguments: [
            (200, .passed), (204, .passed), (301, .unknown), (400, .failed), (401, .unknown), (404, .unknown),
            (409, .failed), (422, .failed), (429, .unknown), (500, .unknown), (503, .unknown),
        ] as [(Int, RolloutCheck.Answer)]
    )
    func statuses(_ status: Int, _ result: RolloutCheck.Answer) {
        #expect(CheckRule.judge("w", status: status, body: []).answer == result)
    }

    @Test("a webhook's message is quoted as one clean line; any other body is none")
    func messages() {
        func detail(_ body: String) -> String { CheckRule.judge("w", status: 409, body: Array(body.utf8)).message }
        #expect(detail(#"{"message":"golden set: 3 of 50 differ"}"#) == "status 409: golden set: 3 of 50 differ")
        #expect(detail("{\"message\":\"a\\nb\\u001b[2J\\u202e\"}") == "status 409: a b [2J ")
        #expect(detail(#"{"message":42}"#) == "status 409")
        #expect(detail("<html>") == "status 409")
        let long = String(repeating: "x", count: 5000)
        #expect(detail("{\"message\":\"\(long)\"}").count < 330)
    }

    @Test("reads the checks of a spec; one that can't be asked stays, and has no data")
    func reading() throws {
        let json = try JSONValue(
            parsing: Array(
                #"""
                [{"name":"q","prometheus":{"address":"http://p:9090","query":"up","min":1}},
                 {"name":"w","webhook":{"url":"https://h/x?y=1","timeoutSeconds":600}},
                 {"prometheus":{"address":"p","query":"up","max":1}},
                 {"prometheus":{"address":"http://p","query":"up"}},
                 {"webhook":{"url":"http://user:word@h/"}}, {}, 7]
                """#.utf8
            )
        )
        let checks = AnalysisCheck.list(json)
        let prometheus = try #require(PrometheusAddress("http://p:9090"))
        let webhook = try #require(WebAddress("https://h/x?y=1"))
        #expect(checks.count == 7)
        #expect(checks[0] == AnalysisCheck(name: "q", .prometheus(prometheus, query: "up", min: 1, max: nil)))
        #expect(checks[1] == AnalysisCheck(name: "w", .webhook(webhook, timeout: .seconds(60))))
        for check in checks[2...] {
            guard case .impossible = check.question else {
                Issue.record("\(check) can't be asked")
                continue
            }
        }
        #expect(AnalysisCheck.list(nil).isEmpty)
    }

    @Test(
        "only plain HTTP addresses are taken",
        arguments: [
            "ftp://h/", "http://", "http:///x", "http://a b/", "http://h/#f", "http://h\r\n/x", "", "h",
            "http://h/" + String(repeating: "x", count: 3000),
        ]
    )
    func addresses(_ url: String) { #expect(WebAddress(url) == nil) }
}

@Suite("Asking checks", .timeLimit(.minutes(5)))
struct CheckPollerTests {
    private static let context = CheckContext(
        model: ObjectKey(namespace: "n", name: "m"),
        revision: 4,
        stableRevision: 3,
        version: "v4",
        step: 1,
        weight: 25
    )

    private func webhook(_ name: String = "w", seconds: Int = 2) throws -> AnalysisCheck {
        AnalysisCheck(
            name: name,
            .webhook(try #require(WebAddress("http://hook:1/check?a=b")), timeout: .seconds(seconds))
        )
    }

    /// Runs the poller and moves the time in small steps until `isDone`.
    private func run(_ poller: CheckPoller, _ time: ManualTime, until isDone: @escaping @Sendable () -> Bool) async {
        await withTaskGroup { group in
            group.addTask { try? await poller.run() }
            while !isDone(), !Task.isCancelled {
                time.advance(by: .milliseconds(50))
                for _ in 0..<20 { await Task.yield() }
            }
            group.cancelAll()
        }
    }

    @Test("posts what is asked about, and reads the answer")
    func posts() async throws {
        let seen = Mutex<[(String, JSONValue?)]>([])
        let exchange = ClosureExchange { request in
            let body = try await request.body.collect(upTo: 10_000)
            let head = request.head
            let line = "\(head.method) \(head.authority ?? "") \(head.path ?? "") \(request.timeout ?? .zero)"
            seen.withLock { $0.append((line, try? JSONValue(parsing: body))) }
            return HTTPResponseMessage(
                status: .conflict,
                contentType: "application/json",
                bytes: Array(#"{"message":"bad"}"#.utf8)
            )
        }
        let poller = CheckPoller(exchange: exchange, time: ManualTime()) { _ in }
        let outcome = await poller.answer(try webhook(), Self.context)
        #expect(outcome == RolloutCheck("w", .failed, "status 409: bad"))
        let request = try #require(seen.withLock { $0.first })
        #expect(request.0 == "POST hook:1 /check?a=b 2.0 seconds")
        #expect(
            request.1 == [
                "check": "w", "namespace": "n", "model": "m", "revision": 4, "stableRevision": 3, "version": "v4",
                "step": 1, "weight": 25,
            ]
        )
    }

    @Test("asks Prometheus about the canary's revision")
    func queries() async throws {
        let seen = Mutex<[String]>([])
        let time = ManualTime()
        let exchange = ClosureExchange { request in
            seen.withLock { $0.append(request.head.path ?? "") }
            let body = String(decoding: try await request.body.collect(upTo: 10_000), as: UTF8.self)
            let isRight = body.contains("errors%7Bmodel%3D%22m%22%2Crev%3D%224%22%2Cold%3D%223%22%7D")
            let value = isRight ? "0.5" : "9"
            let now = time.now().seconds
            let text = #"{"status":"success","data":{"resultType":"scalar","result":[\#(now),"\#(value)"]}}"#
            return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: Array(text.utf8))
        }
        let address = try #require(PrometheusAddress("http://p:9090"))
        let query = #"errors{model="${model}",rev="${revision}",old="${stableRevision}"}"#
        let check = AnalysisCheck(name: "q", .prometheus(address, query: query, min: nil, max: 1))
        let poller = CheckPoller(exchange: exchange, time: time) { _ in }
        #expect(await poller.answer(check, Self.context) == RolloutCheck("q", .passed, "0.5 is at most 1"))
        #expect(seen.withLock { $0 } == ["/api/v1/query"])
    }

    @Test("a check that hangs has no data after its time limit, even if the client keeps to none, and delays no other")
    func hangs() async throws {
        let time = ManualTime()
        let exchange = ClosureExchange { request in
            if request.head.path == "/check?a=b" { try await time.sleep(for: .seconds(1_000_000)) }
            return HTTPResponseMessage(status: .ok, text: "")
        }
        let poller = CheckPoller(exchange: exchange, time: time) { _ in }
        let other = AnalysisCheck(
            name: "fast",
            .webhook(try #require(WebAddress("http://hook:1/")), timeout: .seconds(1))
        )
        let checks = [try webhook(), other]
        func read() -> [RolloutCheck] { poller.outcomes(checks, about: Self.context, interval: .seconds(10)) }
        #expect(read().map(\.answer) == [.unknown, .unknown])
        let answered = Mutex<[WallTime?]>([nil, nil])
        await run(poller, time) {
            let now = time.now()
            return answered.withLock { answered in
                for (index, outcome) in poller.outcomes(checks, about: Self.context, interval: .seconds(10))
                    .enumerated()
                where answered[index] == nil && outcome.message != "it isn't answered yet" { answered[index] = now }
                return !answered.contains(nil)
            }
        }
        #expect(
            read() == [
                RolloutCheck("w", .unknown, "no answer within 2.0 s"), RolloutCheck("fast", .passed, "status 200"),
            ]
        )
        let start = ManualTime().now()
        let waits = answered.withLock { $0.map { ($0 ?? start) - start } }
        #expect(waits[0] >= .seconds(2.5) && waits[0] < .seconds(4))
        #expect(waits[1] < .seconds(1))
    }

    @Test("however many checks of one model hang, those of others are asked")
    func manyHang() async throws {
        let time = ManualTime()
        let exchange = ClosureExchange { request in
            if request.head.path == "/check?a=b" { try await time.sleep(for: .seconds(1_000_000)) }
            return HTTPResponseMessage(status: .ok, text: "")
        }
        let poller = CheckPoller(exchange: exchange, time: time) { _ in }
        let hanging = try (0..<AnalysisCheck.limit).map { try webhook("w\($0)", seconds: 60) }
        _ = poller.outcomes(hanging, about: Self.context, interval: .seconds(10))
        var other = Self.context
        other.model = ObjectKey(namespace: "n", name: "other")
        let check = AnalysisCheck(
            name: "fast",
            .webhook(try #require(WebAddress("http://hook:1/")), timeout: .seconds(1))
        )
        let (context, start) = (other, time.now())
        @Sendable func outcome() -> RolloutCheck.Answer? {
            poller.outcomes([check], about: context, interval: .seconds(10)).first?.answer
        }
        // It comes last.
        time.advance(by: .milliseconds(1))
        #expect(outcome() == .unknown)
        await run(poller, time) { outcome() == .passed || time.now() - start > .seconds(30) }
        #expect(outcome() == .passed)
    }

    @Test("an answer about one step is none about the next, and a late one isn't taken for it")
    func steps() async throws {
        let time = ManualTime()
        let calls = Mutex(0)
        let exchange = ClosureExchange { _ in
            // The first answer is late, and says yes; the later ones say no.
            let call = calls.withLock { count in
                count += 1
                return count
            }
            if call == 1 { try await time.sleep(for: .seconds(1)) }
            return HTTPResponseMessage(status: call == 1 ? .ok : .conflict, text: "")
        }
        let poller = CheckPoller(exchange: exchange, time: time) { _ in }
        let checks = [try webhook()]
        let (first, start) = (Self.context, time.now())
        var next = first
        next.step = 2
        let found = Mutex<[RolloutCheck.Answer]>([])
        await run(poller, time) { [next] in
            let context = calls.withLock { $0 == 0 } ? first : next
            let results = poller.outcomes(checks, about: context, interval: .seconds(600)).map(\.answer)
            found.withLock { $0 += results }
            return results == [.failed] && time.now() - start > .seconds(3)
        }
        #expect(calls.withLock { $0 } == 2)
        #expect(!found.withLock { $0 }.contains(.passed))
    }

    @Test("asks once an interval, and stops when nobody reads the answers any more")
    func patience() async throws {
        let time = ManualTime()
        let calls = Mutex(0)
        let exchange = ClosureExchange { _ in
            calls.withLock { $0 += 1 }
            return HTTPResponseMessage(status: .ok, text: "")
        }
        let poller = CheckPoller(exchange: exchange, time: time) { _ in }
        let start = time.now()
        _ = poller.outcomes([try webhook()], about: Self.context, interval: .seconds(10))
        await run(poller, time) { time.now() - start > .seconds(59) }
        #expect(calls.withLock { $0 } == 6)
        await run(poller, time) { time.now() - start > .seconds(200) }
        #expect(calls.withLock { $0 } <= 7)
    }

    @Test("an interval of minutes has its answer too, at the next look")
    func longInterval() async throws {
        let time = ManualTime()
        let exchange = ClosureExchange { _ in HTTPResponseMessage(status: .ok, text: "") }
        let poller = CheckPoller(exchange: exchange, time: time) { _ in }
        let checks = [try webhook()]
        let start = time.now()
        #expect(poller.outcomes(checks, about: Self.context, interval: .seconds(120)).map(\.answer) == [.unknown])
        await run(poller, time) { time.now() - start >= .seconds(120) }
        #expect(poller.outcomes(checks, about: Self.context, interval: .seconds(120)).map(\.answer) == [.passed])
    }

    @Test("an answer that is old is none")
    func old() async throws {
        let time = ManualTime()
        let poller = CheckPoller(
            exchange: ClosureExchange { _ in HTTPResponseMessage(status: .ok, text: "") },
            time: time
        ) { _ in }
        let checks = [try webhook()]
        await run(poller, time) {
            poller.outcomes(checks, about: Self.context, interval: .seconds(10)).map(\.answer) == [.passed]
        }
        time.advance(by: .seconds(61))
        let outcome = poller.outcomes(checks, about: Self.context, interval: .seconds(10))
        #expect(outcome == [RolloutCheck("w", .unknown, "it has not answered for 61 s")])
        poller.forget(Self.context.model)
        #expect(
            poller.outcomes(checks, about: Self.context, interval: .seconds(10)).map(\.message) == [
                "it isn't answered yet"
            ]
        )
    }
}
