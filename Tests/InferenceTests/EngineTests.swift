// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPTypes
import KubeModel
import Testing

@testable import Inference
@testable import InferenceHTTP

@Suite(.timeLimit(.minutes(5))) struct EngineTests {
    private static func body(_ numbers: String = "1,2") -> String {
        #"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[\#(numbers)]}]}"#
    }

    @Test("requests that wait run together, and each gets its own rows") func batches() async throws {
        let backend = GateBackend(isOpen: false)
        try await withDoor(backend) { (door, engine, _) async throws -> Void in
            try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
                group.addTask { (0, try await door.ask(.post, "/v2/models/m/infer", Self.body("0,0"))) }
                await backend.waitUntilRunning()
                for index in 1...5 {
                    group.addTask { (index, try await door.ask(.post, "/v2/models/m/infer", Self.body("\(index),0"))) }
                }
                while engine.queueLength < 5, !Task.isCancelled { await Task.yield() }
                backend.open()
                for try await (index, answer) in group {
                    #expect(answer.json.at("outputs")?[0]?["data"]?[0]?.double == Double(index + 1))
                }
            }
        }
        #expect(backend.runs == [1, 5])
    }

    @Test("one bad request doesn't fail those in its batch") func badApple() async throws {
        let backend = GateBackend(isOpen: false)
        let codes = try await withDoor(backend) { door, engine, _ in
            try await withThrowingTaskGroup(of: Int.self) { group in
                group.addTask { try await door.ask(.post, "/v2/models/m/infer", Self.body()).status }
                await backend.waitUntilRunning()
                for number in ["1,1", "-1,1", "2,2"] {
                    group.addTask { try await door.ask(.post, "/v2/models/m/infer", Self.body(number)).status }
                }
                while engine.queueLength < 3, !Task.isCancelled { await Task.yield() }
                backend.open()
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
        #expect(codes.sorted() == [200, 200, 200, 500])
    }

    @Test("a full queue is answered with 429 and Retry-After while the others still wait") func fullQueue() async throws
    {
        let backend = GateBackend(isOpen: false)
        let configuration = EngineConfiguration(maximumQueueLength: 2)
        try await withDoor(backend, configuration: configuration) { (door, engine, _) async throws -> Void in
            try await withThrowingTaskGroup(of: Int.self) { group in
                group.addTask { try await door.ask(.post, "/v2/models/m/infer", Self.body()).status }
                await backend.waitUntilRunning()
                for _ in 0..<2 {
                    group.addTask { try await door.ask(.post, "/v2/models/m/infer", Self.body()).status }
                }
                while engine.queueLength < 2, !Task.isCancelled { await Task.yield() }
                let refused = try await door.ask(.post, "/v2/models/m/infer", Self.body())
                #expect(refused.status == 429)
                #expect(refused.fields[.retryAfter] == "1")
                #expect(refused.error.contains("queue is full"))
                let page = String(decoding: try await door.ask(.get, "/metrics").bytes, as: UTF8.self)
                #expect(page.contains("modelfleet_queue_length{model=\"m\",version=\"2\"} 2\n"))
                #expect(page.contains("modelfleet_requests_in_flight{model=\"m\",version=\"2\"} 3\n"))
                backend.open()
                for try await status in group { #expect(status == 200) }
            }
        }
    }

    @Test("a deadline answers 504 while the model is busy, and the request leaves the queue") func deadline()
        async throws
    {
        let backend = GateBackend(isOpen: false)
        let limits = InferenceLimits(requestTimeout: .milliseconds(40))
        try await withDoor(backend, limits: limits) { (door, engine, _) async throws -> Void in
            async let first = door.ask(.post, "/v2/models/m/infer", Self.body()).status
            await backend.waitUntilRunning()
            let second = try await door.ask(.post, "/v2/models/m/infer", Self.body())
            #expect(second.status == 504)
            #expect(engine.queueLength == 0)
            #expect(try await first == 504)
            backend.open()
        }
    }

    @Test("a cancelled request leaves the queue") func cancellation() async throws {
        let backend = GateBackend(isOpen: false)
        try await withDoor(backend) { (door, engine, _) async throws -> Void in
            async let first = door.ask(.post, "/v2/models/m/infer", Self.body()).status
            await backend.waitUntilRunning()
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await door.ask(.post, "/v2/models/m/infer", Self.body()) }
                while engine.queueLength < 1, !Task.isCancelled { await Task.yield() }
                group.cancelAll()
                let result = await group.nextResult()
                #expect(throws: CancellationError.self) { try result?.get() }
            }
            #expect(engine.queueLength == 0)
            backend.open()
            #expect(try await first == 200)
        }
        #expect(backend.runs == [1])
    }

    @Test("readiness follows the model's life, and a draining server asks to close") func life() async throws {
        let time = SystemTime()
        let model = ServedModel(name: "m", version: "2")
        let door = InferenceExchange(model: model, metrics: ServerMetrics(model: model), time: time)
        #expect(try await door.ask(.get, "/v2/health/live").status == 200)
        #expect(try await door.ask(.get, "/v2/health/ready").status == 503)
        #expect(try await door.ask(.post, "/v2/models/m/infer", Self.body()).status == 503)
        try await withDoor(GateBackend()) { (door, _, model) async throws -> Void in
            #expect(try await door.ask(.get, "/v2/health/ready").status == 200)
            model.beginDraining()
            #expect(try await door.ask(.get, "/v2/health/ready").status == 503)
            #expect(try await door.ask(.get, "/v2/health/live").status == 200)
            let answer = try await door.ask(.post, "/v2/models/m/infer", Self.body())
            #expect(answer.status == 200)
            #expect(answer.fields[.connection] == "close")
        }
    }
}
