// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import HTTPMessages
import HTTPTypes
import KubeModel
import Testing

@testable import Inference
@testable import InferenceHTTP

/// Files and engines for the tests. ONNX Runtime must be there: `scripts/setup-python.sh` puts it into `.venv`.
enum TestModels {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Models")
    static let root = folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let examples = root.appendingPathComponent("manifests/examples/models")

    static var locator: OnnxLibraryLocator {
        OnnxLibraryLocator(environment: ProcessInfo.processInfo.environment, startingPoints: [root.path])
    }

    static func backend(_ name: String) throws -> OnnxBackend {
        let file = (name == "iris" ? examples : folder).appendingPathComponent("\(name).onnx").path
        return try OnnxBackend(
            runtime: try OnnxRuntime.open(locator: locator),
            file: file,
            uri: "file://\(file)",
            threads: 1
        )
    }

    static func floats(_ values: [Float], shape: [Int]) throws -> Tensor {
        var bytes: [UInt8] = []
        for value in values { bytes.append(raw: value) }
        return try Tensor(elementType: .float32, shape: shape, bytes: bytes)
    }
}

/// Adds one to each number of input "x"; can be held back, so that tests decide when a batch ends.
final class GateBackend: ModelBackend {
    let platform = "test"
    let signature = ModelSignature(
        inputs: [TensorSpecification(name: "x", elementType: .float32, shape: [nil, 2])],
        outputs: [TensorSpecification(name: "y", elementType: .float32, shape: [nil, 2])]
    )
    private let gate: Monitor<(isOpen: Bool, started: Int, rows: [Int])>

    init(isOpen: Bool = true) { gate = Monitor((isOpen, 0, [])) }

    /// The rows of each run so far.
    var runs: [Int] { gate.withLock { $0.rows } }

    func open() {
        gate.withLock { $0.isOpen = true }
        gate.broadcast()
    }

    func waitUntilRunning() async {
        while gate.withLock({ $0.started }) == 0, !Task.isCancelled { await Task.yield() }
    }

    func run(_ inputs: [NamedTensor], outputs: [String]) throws(InferenceError) -> [NamedTensor] {
        guard let input = inputs.first?.tensor else { throw InferenceError(.runFailed, "no input") }
        gate.withLock { $0.started += 1 }
        let rows: [Int] = gate.await { state in
            guard state.isOpen else { return .wait(nil) }
            state.rows.append(input.rowCount)
            return .done(state.rows)
        }
        guard !rows.isEmpty else { throw InferenceError(.runFailed, "no run") }
        let numbers = input.bytes.elements(as: Float.self)
        if numbers.contains(where: { $0 < 0 }) { throw InferenceError(.runFailed, "negative") }
        var bytes: [UInt8] = []
        for number in numbers { bytes.append(raw: number + 1) }
        return [NamedTensor(name: "y", tensor: try Tensor(elementType: .float32, shape: input.shape, bytes: bytes))]
    }
}

/// A front door with an engine that runs while `body` does.
func withDoor<Result: Sendable>(
    _ backend: any ModelBackend,
    name: String = "m",
    configuration: EngineConfiguration = EngineConfiguration(),
    limits: InferenceLimits = InferenceLimits(),
    _ body: (InferenceExchange, InferenceEngine, ServedModel) async throws -> Result
) async throws -> Result {
    let time = SystemTime()
    let model = ServedModel(name: name, version: "2")
    let metrics = ServerMetrics(model: model)
    let engine = InferenceEngine(backend: backend, configuration: configuration, time: time, observer: metrics)
    async let running: Void = engine.run()
    model.loaded(engine)
    let door = InferenceExchange(model: model, metrics: metrics, limits: limits, time: time)
    do {
        let result = try await body(door, engine, model)
        engine.stop()
        await running
        return result
    } catch {
        engine.stop()
        await running
        throw error
    }
}

/// A response, read whole.
struct Answer {
    var status: Int
    var fields: HTTPFields
    var bytes: [UInt8]
    var json: JSONValue { (try? JSONValue(parsing: bytes)) ?? .null }
    var error: String { json["error"]?.string ?? "" }
}

extension InferenceExchange {
    func ask(_ method: HTTPRequest.Method, _ path: String, _ body: String = "") async throws -> Answer {
        try await ask(method, path, bytes: Array(body.utf8))
    }

    func ask(
        _ method: HTTPRequest.Method,
        _ path: String,
        bytes: [UInt8],
        fields: HTTPFields = [:]
    ) async throws -> Answer {
        let head = HTTPRequest(method: method, scheme: nil, authority: nil, path: path, headerFields: fields)
        let response = try await exchange(HTTPRequestMessage(head: head, body: StreamingBody(bytes)))
        return Answer(
            status: response.head.status.code,
            fields: response.head.headerFields,
            bytes: try await response.body.collect(upTo: 1 << 26)
        )
    }
}
