// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import HTTPMessages
internal import HTTPTypes
internal import Inference
internal import KubeModel

/// `POST /v1/models/N:predict`: TensorFlow Serving's rows (`instances`) and columns (`inputs`).
struct PredictCall: PredictionCall {
    /// What to run.
    let request: InferenceRequest
    /// Not part of this protocol.
    let timeout: Duration? = nil
    private let isByRow: Bool

    /// Reads a request.
    /// - Throws: `InferenceError.invalidInput` that names the field and what is expected.
    init(_ door: InferenceExchange, _ message: HTTPRequestMessage, _ body: [UInt8]) throws(InferenceError) {
        let root = try JSONReading.object(body[...], limits: door.limits)
        let specifications = door.model.backend?.signature.inputs ?? []
        switch (root["instances"], root["inputs"]) {
        case (let rows?, nil):
            isByRow = true
            request = InferenceRequest(inputs: try Self.inputs(rows: rows, specifications))
        case (nil, let columns?):
            isByRow = false
            request = InferenceRequest(inputs: try Self.inputs(columns: columns, specifications))
        default:
            throw InferenceError(.invalidInput, "expected either \"instances\" (rows) or \"inputs\" (columns)")
        }
    }

    /// The most empty arrays that an output without an element is written as.
    private static let maximumEmptyArrays = 1 << 20

    /// Writes the answer in the format of the request. One output stands alone, several become objects by name.
    /// - Throws: `InferenceError` for outputs that are no rows where rows were asked for, and for one without an element
    ///   that would be written as too many empty arrays.
    func response(_ outputs: [NamedTensor]) throws(InferenceError) -> HTTPResponseMessage {
        for output in outputs where output.tensor.elementCount == 0 {
            let arrays = Tensor.elementCount(of: output.tensor.shape.filter { $0 > 0 }) ?? .max
            guard arrays <= Self.maximumEmptyArrays else {
                throw InferenceError(
                    .runFailed,
                    "output \"\(output.name)\" has shape \(output.tensor.shape), which is too many empty arrays; use /v2/"
                )
            }
        }
        if isByRow { try checkRows(outputs) }
        var writer = TensorWriter()
        writer.append(isByRow ? "{\"predictions\":" : "{\"outputs\":")
        if isByRow { appendRows(outputs, to: &writer) } else { appendColumns(outputs, to: &writer) }
        writer.append("}")
        return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: writer.bytes)
    }

    /// Rows need a first dimension of one size.
    private func checkRows(_ outputs: [NamedTensor]) throws(InferenceError) {
        for output in outputs {
            guard let rows = output.tensor.shape.first else { throw noRows(output.name, "is a scalar") }
            if let first = outputs.first, rows != first.tensor.rowCount {
                let others = "\(first.tensor.rowCount) of output \"\(first.name)\""
                throw noRows(output.name, "has \(rows) rows beside the \(others)")
            }
        }
    }

    private func noRows(_ output: String, _ reason: String) -> InferenceError {
        InferenceError(
            .invalidInput,
            "output \"\(output)\" \(reason), so the answer can't be written as rows; send \"inputs\" (columns) instead of "
                + "\"instances\""
        )
    }

    private func appendRows(_ outputs: [NamedTensor], to writer: inout TensorWriter) {
        let columns = outputs.map { TensorWriter.rowTexts(of: $0.tensor) }
        let names = outputs.map { JSONValue.string($0.name).jsonText }
        let rows = columns.first?.count ?? 0
        writer.append("[")
        for row in 0..<rows {
            if row > 0 { writer.append(",") }
            if outputs.count > 1 { writer.append("{") }
            for (index, column) in columns.enumerated() {
                if index > 0 { writer.append(",") }
                if outputs.count > 1 { writer.append(names[index] + ":") }
                writer.append(String(decoding: column[row], as: UTF8.self))
            }
            if outputs.count > 1 { writer.append("}") }
        }
        writer.append("]")
    }

    private func appendColumns(_ outputs: [NamedTensor], to writer: inout TensorWriter) {
        if outputs.count > 1 { writer.append("{") }
        for (index, output) in outputs.enumerated() {
            if index > 0 { writer.append(",") }
            if outputs.count > 1 { writer.append(JSONValue.string(output.name).jsonText + ":") }
            writer.appendNested(output.tensor)
        }
        if outputs.count > 1 { writer.append("}") }
    }

    private static func inputs(
        rows: JSONValue,
        _ specifications: [TensorSpecification]
    ) throws(InferenceError) -> [NamedTensor] {
        guard let rows = rows.array else { throw JSONReading.wrong("instances", "an array of rows", rows) }
        guard !rows.isEmpty else { throw InferenceError(.invalidInput, "instances: is empty; send at least one row") }
        let isNamed = rows.allSatisfy { $0.object != nil }
        if !isNamed {
            guard let only = specifications.first, specifications.count == 1 else {
                let names = specifications.map(\.name).joined(separator: ", ")
                throw InferenceError(
                    .invalidInput,
                    "instances: the model has several inputs; each row is an object with \(names)"
                )
            }
            return [try input(only, .array(rows), path: "instances")]
        }
        for (index, row) in rows.enumerated() {
            for (key, _) in row.object ?? JSONObject() where !specifications.contains(where: { $0.name == key }) {
                throw InferenceError(.invalidInput, "instances[\(index)].\(key): the model has no such input")
            }
        }
        var inputs: [NamedTensor] = []
        for specification in specifications {
            var column: [JSONValue] = []
            for (index, row) in rows.enumerated() {
                guard let value = row[specification.name] else {
                    throw InferenceError(.invalidInput, "instances[\(index)].\(specification.name): is missing")
                }
                column.append(value)
            }
            inputs.append(try input(specification, .array(column), path: "instances.\(specification.name)"))
        }
        return inputs
    }

    private static func inputs(
        columns: JSONValue,
        _ specifications: [TensorSpecification]
    ) throws(InferenceError) -> [NamedTensor] {
        guard let members = columns.object else {
            guard let only = specifications.first, specifications.count == 1 else {
                throw InferenceError(.invalidInput, "inputs: the model has several inputs; expected an object by name")
            }
            return [try input(only, columns, path: "inputs")]
        }
        var inputs: [NamedTensor] = []
        for (name, value) in members {
            guard let specification = specifications.first(where: { $0.name == name }) else {
                throw InferenceError(.invalidInput, "inputs.\(name): the model has no such input")
            }
            inputs.append(try input(specification, value, path: "inputs.\(name)"))
        }
        return inputs
    }

    private static func input(
        _ specification: TensorSpecification,
        _ value: JSONValue,
        path: String
    ) throws(InferenceError) -> NamedTensor {
        let decoder = TensorDecoder(path: path, type: specification.elementType)
        return NamedTensor(name: specification.name, tensor: try decoder.tensor(nested: value))
    }
}
