// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What a model says of one input or output.
public struct TensorSpecification: Sendable, Hashable {
    /// The name.
    public var name: String
    /// The type of the elements.
    public var elementType: ElementType
    /// The sizes; `nil` where any size will do.
    public var shape: [Int?]
    /// What the model calls its first dimension, where that is free and has a name.
    public var rowName: String?
    /// Whether it is a list of tensors that are handed out as one: how many there are says nothing of rows.
    public var isList: Bool

    /// A specification.
    public init(name: String, elementType: ElementType, shape: [Int?], rowName: String? = nil, isList: Bool = false) {
        self.name = name
        self.elementType = elementType
        self.shape = shape
        self.rowName = rowName
        self.isList = isList
    }

    /// Whether the first dimension is free, so that it may be the number of rows.
    var mayHaveRows: Bool { !isList && shape.first.map { $0 == nil } ?? false }

    /// What the model's author calls the first dimension; `nil` for a name that an exporter made up, a new one for each dimension:
    /// tf2onnx's `unk__7`, Paddle2ONNX's `p2o.DynamicDimension.0`, PyTorch's `Gemmoutput_dim_0`.
    var chosenRowName: String? {
        guard let rowName else { return nil }
        let isMadeUp =
            rowName.hasPrefix("unk__") || rowName.hasPrefix("p2o.DynamicDimension") || rowName.hasSuffix("_dim_0")
        return isMadeUp ? nil : rowName
    }

    /// The shape as the protocols write it: -1 where any size will do.
    public var wireShape: [Int] { shape.map { $0 ?? -1 } }
}

/// A model's inputs and outputs.
public struct ModelSignature: Sendable, Hashable {
    /// What must be given.
    public var inputs: [TensorSpecification]
    /// What comes out.
    public var outputs: [TensorSpecification]

    /// A signature.
    public init(inputs: [TensorSpecification], outputs: [TensorSpecification]) {
        self.inputs = inputs
        self.outputs = outputs
    }

    /// Whether rows of several requests can share a run.
    ///
    /// ONNX doesn't say which dimension is a batch, and a run over rows of two requests that aren't independent would mix
    /// their data. So it takes all of these:
    ///
    /// | the first dimensions | why |
    /// | --- | --- |
    /// | are free, of every input and output | otherwise there is nothing to join |
    /// | have one name, or none that an author chose | two names are two sizes: nodes and edges of a graph |
    /// | aren't all the inputs have, unless they are called a batch | one free dimension alone is a series as likely as a batch |
    public var isBatched: Bool {
        let all = inputs + outputs
        guard !inputs.isEmpty, all.allSatisfy(\.mayHaveRows) else { return false }
        let names = Set(all.compactMap(\.chosenRowName))
        guard names.count <= 1 else { return false }
        return inputs.contains { $0.shape.count > 1 } || names.contains { $0.lowercased().contains("batch") }
    }

    /// Checks inputs against the model and answers the number of rows (1 where the model has no batch dimension).
    /// - Parameter sharesRuns: whether rows of several requests do share a run: only then must all inputs have as many.
    /// - Throws: `InferenceError.invalidInput` that names the input, what was found and what is expected.
    public func validate(inputs given: [NamedTensor], sharesRuns: Bool = true) throws(InferenceError) -> Int {
        let isBatched = isBatched
        var rows: Int?
        var seen: Set<String> = []
        for input in given {
            guard let specification = inputs.first(where: { $0.name == input.name }) else {
                let names = inputs.map { "\"\($0.name)\"" }.joined(separator: ", ")
                throw invalid(input.name, "the model has no such input; it has \(names)")
            }
            guard seen.insert(input.name).inserted else { throw invalid(input.name, "is given twice") }
            try check(input, against: specification)
            guard isBatched else { continue }
            if sharesRuns, let rows, rows != input.tensor.rowCount {
                throw invalid(
                    input.name,
                    "has \(input.tensor.rowCount) rows, other inputs have \(rows); they must be the same where requests "
                        + "share a run (--max-batch-size 1 turns that off)"
                )
            }
            rows = max(rows ?? 0, input.tensor.rowCount)
        }
        for specification in inputs where !seen.contains(specification.name) {
            throw invalid(
                specification.name,
                "is missing; expected \(specification.elementType.rawValue) of shape \(specification.wireShape)"
            )
        }
        if rows == 0 { throw InferenceError(.invalidInput, "the inputs have no row; send at least one") }
        return rows ?? 1
    }

    /// Checks names of wanted outputs; none means all.
    /// - Throws: `InferenceError.invalidInput` that names the unknown output.
    public func resolve(outputs names: [String]) throws(InferenceError) -> [String] {
        let known = outputs.map(\.name)
        if names.isEmpty { return known }
        var chosen: [String] = []
        for name in names {
            guard known.contains(name) else {
                let list = known.map { "\"\($0)\"" }.joined(separator: ", ")
                throw InferenceError(.invalidInput, "output \"\(name)\": the model has no such output; it has \(list)")
            }
            guard !chosen.contains(name) else {
                throw InferenceError(.invalidInput, "output \"\(name)\" is asked for twice")
            }
            chosen.append(name)
        }
        return chosen
    }

    private func check(_ input: NamedTensor, against specification: TensorSpecification) throws(InferenceError) {
        let tensor = input.tensor
        guard tensor.elementType == specification.elementType else {
            throw invalid(
                input.name,
                "has datatype \(tensor.elementType.rawValue), expected \(specification.elementType.rawValue)"
            )
        }
        let fits =
            tensor.shape.count == specification.shape.count
            && zip(tensor.shape, specification.shape).allSatisfy { $0.1 == nil || $0.1 == $0.0 }
        guard fits else {
            throw invalid(
                input.name,
                "has shape \(tensor.shape), expected \(specification.wireShape) (-1 stands for any size)"
            )
        }
        // A tensor without elements costs its sender nothing, yet a model may make something of each of its rows.
        let sizes = tensor.shape.filter { $0 > 0 }
        guard tensor.elementCount > 0 || Tensor.elementCount(of: sizes).map({ $0 <= 4096 }) == true else {
            throw invalid(input.name, "has shape \(tensor.shape) without an element; its other sizes are too large")
        }
    }

    private func invalid(_ name: String, _ reason: String) -> InferenceError {
        InferenceError(.invalidInput, "input \"\(name)\": \(reason)")
    }
}
