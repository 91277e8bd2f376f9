// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

/// A model that ONNX Runtime runs on the CPU.
final class OnnxBackend: ModelBackend {
    /// The Open Inference Protocol's name for ONNX models.
    let platform = "onnx_onnxv1"
    /// The inputs and outputs.
    let signature: ModelSignature
    private let session: OnnxSession

    /// Loads a file; `uri` is what people know it by.
    /// - Throws: `InferenceError.loadFailed` for a file that isn't a model, or has inputs that aren't supported.
    init(runtime: OnnxRuntime, file: String, uri: String, threads: Int) throws(InferenceError) {
        do {
            session = try OnnxSession(runtime: runtime, file: file, threads: threads)
        } catch {
            throw InferenceError(
                .loadFailed,
                "model \(uri) isn't a valid ONNX model: \(error.message); export it again, and check it with "
                    + "onnx.checker.check_model (ONNX Runtime \(runtime.version))"
            )
        }
        do {
            var inputs: [TensorSpecification] = []
            for slot in try session.slots(.input) { inputs.append(try Self.specification(slot, isInput: true)) }
            var outputs: [TensorSpecification] = []
            for slot in try session.slots(.output) { outputs.append(try Self.specification(slot, isInput: false)) }
            signature = ModelSignature(inputs: inputs, outputs: outputs)
        } catch {
            throw InferenceError(.loadFailed, "model \(uri): \(error.message)")
        }
    }

    /// Runs once.
    func run(_ inputs: [NamedTensor], outputs: [String]) throws(InferenceError) -> [NamedTensor] {
        let tensors = try session.run(inputs, outputs: outputs)
        return zip(outputs, tensors).map { NamedTensor(name: $0, tensor: $1) }
    }

    private static func specification(
        _ slot: (name: String, kind: OnnxSession.Kind),
        isInput: Bool
    ) throws(InferenceError) -> TensorSpecification {
        let side = isInput ? "input" : "output"
        switch slot.kind {
        case .tensor(let code, let shape, let rowName):
            guard let type = ElementType(onnxCode: code) else {
                throw InferenceError(
                    .loadFailed,
                    "\(side) \"\(slot.name)\" has ONNX element type \(code), which isn't supported; "
                        + "cast it in the model"
                )
            }
            return TensorSpecification(
                name: slot.name,
                elementType: type,
                shape: shape.map { $0 < 0 ? nil : Int(clamping: $0) },
                rowName: rowName
            )
        case .mapSequence(_, let value) where !isInput:
            return TensorSpecification(
                name: slot.name,
                elementType: ElementType(onnxCode: value) ?? .float32,
                shape: [nil, nil]
            )
        case .tensorSequence where !isInput:
            return TensorSpecification(name: slot.name, elementType: .float32, shape: [nil], isList: true)
        case .mapSequence, .tensorSequence, .other:
            throw InferenceError(
                .loadFailed,
                "\(side) \"\(slot.name)\" is no tensor, which isn't supported; export the model with "
                    + "tensors only (skl2onnx: options={'zipmap': False})"
            )
        }
    }
}
