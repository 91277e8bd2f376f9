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

    /// A specification.
    public init(name: String, elementType: ElementType, shape: [Int?]) {
        self.name = name
        self.elementType = elementType
        self.shape = shape
    }

    /// Whether the first dimension is free, so that rows of several requests can share a run.
    public var isBatched: Bool { shape.first.map { $0 == nil } ?? false }

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
    public var isBatched: Bool {
        !inputs.isEmpty && inputs.allSatisfy(\.isBatched) && outputs.allSatisfy(\.isBatched)
    }

    /// Checks inputs against the model and answers the number of rows (1 where the model has no batch dimension).
    /// - Throws: `InferenceError.invalidInput` that names the input, what was found and what is expected.
    public func validate(inputs given: [NamedTensor]) throws(InferenceError) -> Int {
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
            if let rows, rows != input.tensor.rowCount {
                throw invalid(
                    input.name,
                    "has \(input.tensor.rowCount) rows, other inputs have \(rows); they must be the same"
                )
            }
            rows = input.tensor.rowCount
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
