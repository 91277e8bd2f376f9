// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import HTTPMessages
internal import HTTPTypes
internal import Inference
internal import KubeModel

extension InferenceExchange {
    /// The server's name, version and extensions.
    var serverMetadata: JSONValue {
        [
            "name": "modelfleet-server", "version": .string(serverVersion),
            "extensions": ["binary_tensor_data"],
        ]
    }

    /// The model's inputs and outputs; 503 before they are known.
    func modelMetadata() -> HTTPResponseMessage {
        guard let backend = model.backend else {
            return .failure(InferenceError(.unavailable, "model \"\(model.name)\" isn't loaded; try again later"))
        }
        let describe = { (specifications: [TensorSpecification]) -> JSONValue in
            .array(
                specifications.map {
                    [
                        "name": .string($0.name), "datatype": .string($0.elementType.rawValue),
                        "shape": .array($0.wireShape.map { JSONValue($0) }),
                    ]
                }
            )
        }
        return .object([
            "name": .string(model.name), "versions": [.string(model.version)], "platform": .string(backend.platform),
            "inputs": describe(backend.signature.inputs), "outputs": describe(backend.signature.outputs),
        ])
    }

    /// TensorFlow Serving's status of the one version.
    var modelStatus: JSONValue {
        let state =
            switch model.phase {
            case .loading: "LOADING"
            case .ready: "AVAILABLE"
            case .draining: "UNLOADING"
            case .failed: "END"
            }
        var message = ""
        if case .failed(let reason) = model.phase { message = reason }
        let status: JSONValue = [
            "error_code": .string(message.isEmpty ? "OK" : "UNKNOWN"), "error_message": .string(message),
        ]
        return [
            "model_version_status": [
                ["version": .string(model.version), "state": .string(state), "status": status]
            ]
        ]
    }
}
