// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A loaded model that can run. Calls block, so only threads of their own make them.
public protocol ModelBackend: Sendable {
    /// The Open Inference Protocol's name of the kind of model, such as `onnx_onnxv1`.
    var platform: String { get }
    /// The inputs and outputs.
    var signature: ModelSignature { get }
    /// Runs once and answers the named outputs, in the order asked for. May be called by several threads at once.
    ///
    /// The caller has checked the inputs against the signature.
    func run(_ inputs: [NamedTensor], outputs: [String]) throws(InferenceError) -> [NamedTensor]
}

extension ModelBackend {
    /// Runs once with zeros, so that what is prepared at the first run is there before the first request.
    ///
    /// Failures don't matter: some models refuse zeros.
    public func warmUp() {
        var inputs: [NamedTensor] = []
        for specification in signature.inputs {
            let shape = specification.shape.map { $0 ?? 1 }
            guard let count = Tensor.elementCount(of: shape), count <= 1 << 24 else { return }
            let tensor =
                specification.elementType.byteWidth.map { width in
                    try? Tensor(
                        elementType: specification.elementType,
                        shape: shape,
                        bytes: [UInt8](repeating: 0, count: count * width)
                    )
                } ?? (try? Tensor(shape: shape, strings: [String](repeating: "", count: count)))
            guard let tensor else { return }
            inputs.append(NamedTensor(name: specification.name, tensor: tensor))
        }
        _ = try? run(inputs, outputs: signature.outputs.map(\.name))
    }
}
