// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPTypes
import KubeModel
import Testing

@testable import Inference
@testable import InferenceHTTP

@Suite("Which requests may share a run", .timeLimit(.minutes(5)))
struct SharedRunTests {
    /// A signature in short: each input and output by its rank and its first dimension's name.
    struct Case: Sendable, CustomTestStringConvertible {
        var inputs: [(rank: Int, name: String?)]
        var outputs: [(rank: Int, name: String?)]
        var isBatched: Bool
        var testDescription: String { "\(inputs) to \(outputs)" }

        var signature: ModelSignature {
            func specifications(_ list: [(rank: Int, name: String?)]) -> [TensorSpecification] {
                list.enumerated().map { index, item in
                    TensorSpecification(
                        name: "\(index)",
                        elementType: .float32,
                        shape: [nil] + Array(repeating: 2, count: item.rank - 1),
                        rowName: item.name
                    )
                }
            }
            return ModelSignature(inputs: specifications(inputs), outputs: specifications(outputs))
        }
    }

    static let cases = [
        Case(inputs: [(2, "batch"), (2, "batch")], outputs: [(2, "batch")], isBatched: true),
        Case(inputs: [(2, nil)], outputs: [(1, nil), (2, nil)], isBatched: true),
        Case(inputs: [(2, "N")], outputs: [(1, "N"), (2, nil)], isBatched: true),
        Case(inputs: [(1, "batch_size")], outputs: [(1, "batch_size")], isBatched: true),
        Case(inputs: [(1, "n")], outputs: [(1, "n")], isBatched: false),
        Case(inputs: [(1, nil)], outputs: [(1, nil)], isBatched: false),
        Case(inputs: [(2, "nodes"), (2, "edges")], outputs: [(2, "nodes")], isBatched: false),
        Case(inputs: [(2, "batch")], outputs: [(2, "found")], isBatched: false),
        Case(inputs: [], outputs: [(2, nil)], isBatched: false),
        Case(inputs: [(4, "unk__13")], outputs: [(2, "unk__14")], isBatched: true),
        Case(inputs: [(2, "p2o.DynamicDimension.0")], outputs: [(2, "p2o.DynamicDimension.1")], isBatched: true),
        Case(inputs: [(2, "batch")], outputs: [(2, "Gemmoutput_dim_0")], isBatched: true),
        Case(inputs: [(1, "unk__1")], outputs: [(1, "unk__2")], isBatched: false),
    ]

    @Test("rows are taken for independent only where the dimensions' names allow it", arguments: cases)
    func names(row: Case) { #expect(row.signature.isBatched == row.isBatched) }

    @Test("the names come from the model")
    func models() throws {
        #expect(try TestModels.backend("arithmetic").signature.inputs.map(\.rowName) == ["batch", "batch"])
        #expect(try TestModels.backend("unnamed").signature.inputs.map(\.rowName) == [nil, nil])
        #expect(try TestModels.backend("fixed").signature.inputs.map(\.rowName) == [nil])
        let batched = ["arithmetic", "identity", "wide", "text", "iris", "running", "graph", "list", "fixed"].filter {
            (try? TestModels.backend($0).signature.isBatched) == true
        }
        #expect(batched == ["arithmetic", "identity", "wide", "text", "iris"])
    }

    @Test("a series is run alone: the sums of one request don't go on in the next")
    func series() async throws {
        let backend = HeldBackend(try TestModels.backend("running"))
        try await withDoor(backend) { (door, engine, _) async throws -> Void in
            func ask() async throws -> JSONValue? {
                let body = #"{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2]}]}"#
                return try await door.ask(.post, "/v2/models/m/infer", body).json.at("outputs")?[0]?["data"]
            }
            async let first = ask()
            await backend.waitUntilRunning()
            async let second = ask()
            async let third = ask()
            while engine.queueLength < 2, !Task.isCancelled { await Task.yield() }
            backend.open()
            for answer in try await [first, second, third] { #expect(answer == [1.0, 3.0]) }
        }
    }

    @Test(
        "a model with two free sizes is served: by their names, and without names where runs aren't shared",
        arguments: [("graph", 32, 200), ("unnamed", 1, 200), ("unnamed", 32, 400)]
    )
    func graph(model: String, maximumSize: Int, status: Int) async throws {
        let body = """
            {"inputs":[{"name":"values","datatype":"FP32","shape":[3,2],"data":[1,2,3,4,5,6]},
             {"name":"edges","datatype":"INT64","shape":[1,2],"data":[2,0]}]}
            """
        let configuration = EngineConfiguration(policy: BatchPolicy(maximumSize: maximumSize))
        try await withDoor(try TestModels.backend(model), configuration: configuration) {
            (door, _, _) async throws -> Void in
            let answer = try await door.ask(.post, "/v2/models/m/infer", body)
            #expect(answer.status == status, "\(answer.error)")
            if status == 200 {
                #expect(answer.json["outputs"]?[0]?["data"] == [5.0, 6.0, 1.0, 2.0])
            } else {
                #expect(answer.error.contains("--max-batch-size 1"))
            }
        }
    }
}

/// A model whose runs can be held back.
private final class HeldBackend: ModelBackend {
    let platform: String
    let signature: ModelSignature
    private let base: any ModelBackend
    private let gate = Monitor((isOpen: false, started: 0))

    init(_ base: any ModelBackend) {
        self.base = base
        platform = base.platform
        signature = base.signature
    }

    func open() {
        gate.withLock { $0.isOpen = true }
        gate.broadcast()
    }

    func waitUntilRunning() async {
        while gate.withLock({ $0.started }) == 0, !Task.isCancelled { await Task.yield() }
    }

    func run(_ inputs: [NamedTensor], outputs: [String]) throws(InferenceError) -> [NamedTensor] {
        gate.withLock { $0.started += 1 }
        gate.await { state -> Monitor<(isOpen: Bool, started: Int)>.Step<Void> in state.isOpen ? .done(()) : .wait(nil)
        }
        return try base.run(inputs, outputs: outputs)
    }
}
