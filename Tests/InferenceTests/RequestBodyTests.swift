// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import Synchronization
import Testing

@testable import Inference
@testable import InferenceHTTP

@Suite("Request bodies on their way", .timeLimit(.minutes(5)))
struct RequestBodyTests {
    private static let path = "/v2/models/m/infer"
    private static let text = #"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}"#

    /// Asks with a body that comes as `chunks` do.
    private static func ask(
        _ door: InferenceExchange,
        _ chunks: AsyncStream<[UInt8]>,
        fields: HTTPFields = [:]
    ) async throws -> Answer {
        let head = HTTPRequest(method: .post, scheme: nil, authority: nil, path: path, headerFields: fields)
        let response = try await door.exchange(HTTPRequestMessage(head: head, body: StreamingBody(chunks)))
        return Answer(
            status: response.head.status.code,
            fields: response.head.headerFields,
            bytes: try await response.body.collect(upTo: 1 << 20)
        )
    }

    @Test("a body that stands still is given up at the time limit, and the connection with it")
    func slow() async throws {
        let limits = InferenceLimits(requestTimeout: .milliseconds(30))
        try await withDoor(GateBackend(), limits: limits) { (door, _, _) async throws -> Void in
            let (chunks, more) = AsyncStream<[UInt8]>.makeStream()
            more.yield(Array("{".utf8))
            let answer = try await Self.ask(door, chunks)
            #expect(answer.status == 408)
            #expect(answer.fields[.connection] == "close")
            #expect(answer.error.contains("0.03 s"))
            #expect(door.metrics.openRequests == 0)
            withExtendedLifetime(more) {}
        }
    }

    @Test("a body that says that it is too large isn't read")
    func announced() async throws {
        try await withDoor(GateBackend(), limits: InferenceLimits(bodyBytes: 100)) {
            (door, _, _) async throws -> Void in
            // Whoever read this would wait for ever.
            let (chunks, more) = AsyncStream<[UInt8]>.makeStream()
            let answer = try await Self.ask(door, chunks, fields: [.contentLength: "101"])
            #expect(answer.status == 413)
            withExtendedLifetime(more) {}
        }
    }

    @Test("a compressed body is refused by its name")
    func encoded() async throws {
        try await withDoor(GateBackend()) { (door, _, _) async throws -> Void in
            let fields: HTTPFields = [.contentEncoding: "gzip"]
            let answer = try await door.ask(.post, Self.path, bytes: [0x1f, 0x8b], fields: fields)
            #expect(answer.status == 415)
            #expect(answer.error.contains("gzip"))
            #expect(answer.fields[.acceptEncoding] == "identity")
            let plain = try await door.ask(
                .post,
                Self.path,
                bytes: Array(Self.text.utf8),
                fields: [.contentEncoding: "identity"]
            )
            #expect(plain.status == 200)
        }
    }

    @Test("all bodies together have a limit, and what is decoded no longer counts")
    func budget() async throws {
        let limits = InferenceLimits(bodyBytes: 100, pendingBodyBytes: 150)
        let backend = GateBackend(isOpen: false)
        try await withDoor(backend, limits: limits) { (door, _, _) async throws -> Void in
            let (chunks, more) = AsyncStream<[UInt8]>.makeStream()
            let hasRoom = door.budget.lease().hasRoom(for: 151)
            try #require(!hasRoom)
            try await withThrowingTaskGroup(of: Int.self) { group in
                group.addTask { try await Self.ask(door, chunks).status }
                more.yield([UInt8](repeating: 0x20, count: 100))
                while door.budget.lease().hasRoom(for: 100), !Task.isCancelled { await Task.yield() }
                let refused = try await door.ask(.post, Self.path, Self.text)
                #expect(refused.status == 429)
                #expect(refused.fields[.retryAfter] == "1")
                #expect(refused.error.contains("larger than 150 bytes"))
                more.finish()
                #expect(try await group.next() == 400)
                // One that waits for the model, and another one of the same size.
                group.addTask { try await door.ask(.post, Self.path, Self.text).status }
                await backend.waitUntilRunning()
                group.addTask { try await door.ask(.post, Self.path, Self.text).status }
                group.addTask { try await door.ask(.post, Self.path, Self.text).status }
                while door.model.inFlight < 3, !Task.isCancelled { await Task.yield() }
                backend.open()
                for try await status in group { #expect(status == 200) }
            }
        }
    }
}

extension BodyBudget.Lease {
    /// Whether so much is left.
    fileprivate func hasRoom(for bytes: Int) -> Bool {
        defer { end() }
        do { try take(bytes) } catch { return false }
        return true
    }
}

@Suite("Answers in rows", .timeLimit(.minutes(5)))
struct RowAnswerTests {
    @Test("outputs that are no rows are refused with the way to get them, and given as columns")
    func scalar() async throws {
        try await withDoor(try TestModels.backend("total")) { (door, _, _) async throws -> Void in
            let rows = try await door.ask(.post, "/v1/models/m:predict", #"{"instances":[[1,2],[3,4]]}"#)
            #expect(rows.status == 400)
            #expect(rows.error.contains(#"output "total" is a scalar"#))
            #expect(rows.error.contains(#"send "inputs" (columns)"#))
            let columns = try await door.ask(.post, "/v1/models/m:predict", #"{"inputs":[[1,2],[3,4]]}"#)
            #expect(columns.json == ["outputs": ["y": [[-1.0, -2.0], [-3.0, -4.0]], "total": 10.0]])
        }
    }

    /// Answers with fixed tensors.
    private struct FixedBackend: ModelBackend {
        let platform = "test"
        let signature = ModelSignature(
            inputs: [TensorSpecification(name: "x", elementType: .float32, shape: [nil, 2])],
            outputs: [
                TensorSpecification(name: "a", elementType: .uint8, shape: [nil, nil]),
                TensorSpecification(name: "b", elementType: .uint8, shape: [nil, nil]),
            ]
        )
        var shapes: [[Int]]

        func run(_ inputs: [NamedTensor], outputs: [String]) throws(InferenceError) -> [NamedTensor] {
            var answer: [NamedTensor] = []
            for (name, shape) in zip(outputs, shapes) {
                let bytes = [UInt8](repeating: 1, count: shape.reduce(1, *))
                answer.append(
                    NamedTensor(name: name, tensor: try Tensor(elementType: .uint8, shape: shape, bytes: bytes))
                )
            }
            return answer
        }
    }

    @Test("outputs of different first sizes have no rows")
    func different() async throws {
        try await withDoor(FixedBackend(shapes: [[2, 1], [3, 1]])) { (door, _, _) async throws -> Void in
            let answer = try await door.ask(.post, "/v1/models/m:predict", #"{"instances":[[1,2]]}"#)
            #expect(answer.status == 400)
            #expect(answer.error.contains(#"output "b" has 3 rows beside the 2 of output "a""#))
        }
    }

    @Test("an output of very many rows without an element isn't written out", arguments: ["instances", "inputs"])
    func empty(form: String) async throws {
        try await withDoor(FixedBackend(shapes: [[2_000_000_000, 0], [2_000_000_000, 0]])) {
            (door, _, _) async throws -> Void in
            let answer = try await door.ask(.post, "/v1/models/m:predict", #"{"\#(form)":[[1,2]]}"#)
            #expect(answer.status == 500)
            #expect(answer.error.contains("too many empty arrays"))
        }
    }
}
