// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeTesting
import Testing

@Suite("Client", .timeLimit(.minutes(5)))
struct ClientTests {
    private let key = ObjectKey(namespace: "shop", name: "churn")

    private func client(_ exchange: ScriptedExchange, time: any TimeSource = SystemTime()) -> KubeClient {
        KubeClient(
            exchange: exchange,
            baseURL: "https://api.test:6443/prefix/",
            backoff: Backoff(initial: .zero),
            time: time
        )
    }

    private struct Broken: Error {}

    private func status(_ code: Int, _ reason: String) -> ScriptedExchange.Answer {
        .json(code, APIStatus(code: code, reason: reason, message: "no").json)
    }

    @Test("a call carries the user agent and the base path")
    func fields() async throws {
        let exchange = ScriptedExchange([.json(200, Make.pod("churn").json)])
        let object = try await client(exchange).get(.pods, key)
        #expect(object.name == "churn")
        #expect(exchange.sent.first?.target == "/prefix/api/v1/namespaces/shop/pods/churn")
        #expect(exchange.sent.first?.fields[.userAgent] == "modelfleet/\(KubeClient.version)")
        #expect(exchange.sent.first?.fields[.accept] == "application/json")
    }

    @Test("a list follows its pages, and gives items their kind")
    func pages() async throws {
        let bare = KubeObject(["metadata": ["name": "a"]])
        let exchange = ScriptedExchange([
            .json(200, Make.list(.pods, [bare], version: "7", continueToken: "t")),
            .json(200, Make.list(.pods, [Make.pod("b")], version: "7")),
        ])
        let list = try await client(exchange).list(.pods)
        #expect(list.items.map(\.name) == ["a", "b"])
        #expect(list.items.first?.kind == "Pod" && list.items.first?.apiVersion == "v1")
        #expect(list.resourceVersion == "7")
        #expect(
            exchange.sent.map(\.target) == [
                "/prefix/api/v1/pods?limit=500", "/prefix/api/v1/pods?limit=500&continue=t",
            ]
        )
    }

    @Test("a list whose token expired is read again in one piece")
    func expiredToken() async throws {
        let exchange = ScriptedExchange([
            .json(200, Make.list(.pods, [Make.pod("a")], continueToken: "t")), status(410, "Expired"),
            .json(200, Make.list(.pods, [Make.pod("a"), Make.pod("b")], version: "9")),
        ])
        let list = try await client(exchange).list(.pods)
        #expect(list.items.map(\.name) == ["a", "b"] && list.resourceVersion == "9")
        #expect(exchange.sent.last?.target == "/prefix/api/v1/pods")
    }

    @Test(
        "dispositions follow the table",
        arguments: [
            (400, "BadRequest", ErrorDisposition.terminal), (401, "Unauthorized", .terminal),
            (403, "Forbidden", .terminal), (404, "NotFound", .terminal), (405, "MethodNotAllowed", .terminal),
            (415, "UnsupportedMediaType", .terminal), (422, "Invalid", .terminal), (409, "Conflict", .redoRead),
            (409, "AlreadyExists", .redoRead), (410, "Expired", .redoRead),
            (429, "TooManyRequests", .retryCall(after: nil)),
            (500, "InternalError", .retryCall(after: nil)), (502, "", .retryCall(after: nil)),
            (503, "ServiceUnavailable", .retryCall(after: nil)), (504, "Timeout", .retryCall(after: nil)),
        ] as [(Int, String, ErrorDisposition)]
    )
    func dispositions(code: Int, reason: String, expected: ErrorDisposition) {
        #expect(ErrorDisposition.of(APIStatus(code: code, reason: reason, message: "")) == expected)
    }

    @Test("an error says what was asked, and keeps reason and causes")
    func errors() async throws {
        let refusal = APIStatus(
            code: 422,
            reason: "Invalid",
            message: "churn is invalid",
            causes: [.init(reason: "FieldValueInvalid", message: "must be 1 or more", field: "spec.replicas")]
        )
        let exchange = ScriptedExchange([.json(422, refusal.json)])
        let error = await #expect(throws: KubeError.self) { try await client(exchange).get(.deployments, key) }
        #expect(error?.description == "cannot get deployments.apps shop/churn: churn is invalid")
        #expect(error?.isInvalid == true && error?.causes.first?.field == "spec.replicas")
        #expect(error?.disposition == .terminal)
        // `Unauthorized` is all that a server says of credentials that it doesn't take.
        let unknown = ScriptedExchange([
            .json(401, APIStatus(code: 401, reason: "Unauthorized", message: "Unauthorized").json)
        ])
        let stranger = await #expect(throws: KubeError.self) { try await client(unknown).get(.deployments, key) }
        #expect(stranger?.description.contains("token or client certificate is wrong or has expired") == true)
    }

    @Test("an answer that is no Status becomes an error with its text and Retry-After")
    func plainText() async throws {
        var response = HTTPResponseMessage(status: .badGateway, text: "upstream\ndown")
        response.head.headerFields[.retryAfter] = "7"
        let exchange = ScriptedExchange([.response(response)])
        let error = await #expect(throws: KubeError.self) {
            try await client(exchange).create(.pods, Make.pod("a"))
        }
        #expect(error?.message == "502: upstream down")
        #expect(error?.disposition == .retryCall(after: .seconds(7)))
    }

    @Test("reads are repeated after a failure in passing, a few times")
    func retries() async throws {
        let exchange = ScriptedExchange([
            status(503, "ServiceUnavailable"), .failure(Broken()), status(429, "TooManyRequests"),
            .json(200, Make.pod("churn").json),
        ])
        #expect(try await client(exchange).get(.pods, key).name == "churn")
        let failing = ScriptedExchange(Array(repeating: status(503, "ServiceUnavailable"), count: 10))
        await #expect(throws: KubeError.self) { try await client(failing).get(.pods, key) }
        #expect(failing.sent.count == 4)
    }

    @Test("writes are not repeated, but for 429")
    func writesOnce() async throws {
        for answer in [status(503, "ServiceUnavailable"), .failure(Broken()), status(500, "InternalError")] {
            let exchange = ScriptedExchange([answer, .json(201, Make.pod("a").json)])
            await #expect(throws: KubeError.self) { try await client(exchange).create(.pods, Make.pod("a")) }
            #expect(exchange.sent.count == 1)
        }
        let busy = ScriptedExchange([status(429, "TooManyRequests"), .json(201, Make.pod("a").json)])
        #expect(try await client(busy).create(.pods, Make.pod("a")).name == "a")
    }

    @Test("no connection is an error that names the address")
    func noConnection() async {
        let exchange = ScriptedExchange([.failure(Broken())])
        let error = await #expect(throws: KubeError.self) { try await client(exchange).create(.pods, Make.pod("a")) }
        #expect(error?.code == .connection && error?.disposition == .retryCall(after: nil))
        #expect(error?.message.contains("https://api.test:6443") == true)
    }

    @Test("a call without an answer ends at its deadline")
    func deadline() async {
        let time = ManualTime()
        let client = client(ScriptedExchange([.silence]), time: time)
        async let result = #expect(throws: KubeError.self) { try await client.create(.pods, Make.pod("a")) }
        await time.waitForSleepers(1)
        time.advance(by: .seconds(30))
        #expect(await result?.code == .timedOut)
    }

    @Test("a missing object is nil, a missing name is refused before anything is sent")
    func find() async throws {
        let exchange = ScriptedExchange([status(404, "NotFound")])
        #expect(try await client(exchange).find(.pods, key) == nil)
        let error = await #expect(throws: KubeError.self) {
            try await client(exchange).get(.pods, ObjectKey(namespace: "shop", name: ""))
        }
        #expect(error?.code == .invalidRequest && exchange.sent.count == 1)
    }

    @Test("replicas are set through the scale subresource alone")
    func scale() async throws {
        let exchange = ScriptedExchange([.json(200, ["spec": ["replicas": 3]]), .json(200, ["spec": ["replicas": 4]])])
        #expect(try await client(exchange).replicas(of: .deployments, key) == 3)
        try await client(exchange).setReplicas(4, of: .deployments, key)
        #expect(exchange.sent.last?.body == ["spec": ["replicas": 4]])
        #expect(exchange.sent.last?.target.contains("/deployments/churn/scale?") == true)
    }

    @Test("a watch gives events; a broken stream is an error")
    func watch() async throws {
        let stream = AsyncThrowingStream<[UInt8], any Error> { continuation in
            continuation.yield(Array(#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#.utf8))
            continuation.yield([0x0a])
            continuation.finish(throwing: Broken())
        }
        let response = HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(stream))
        var iterator = try await client(ScriptedExchange([.response(response)])).watch(.pods).makeAsyncIterator()
        #expect(try await iterator.next() == .added(KubeObject(["metadata": ["name": "a"]])))
        let error = await #expect(throws: KubeError.self) { try await iterator.next() }
        #expect(error?.code == .connection)
        #expect(try await iterator.next() == nil)
    }
}
