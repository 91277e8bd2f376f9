// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import HTTPMessages
internal import HTTPTypes
internal import Inference
internal import KubeModel

extension HTTPField.Name {
    /// The length of the JSON before raw tensor data (Triton's binary tensor data extension); `nil` can't happen, the
    /// name is valid.
    static var inferenceHeaderLength: HTTPField.Name? { HTTPField.Name("Inference-Header-Content-Length") }
}

/// `POST /v2/models/N/infer`: the Open Inference Protocol, with Triton's extension for raw tensor data.
struct OpenInferenceCall: PredictionCall {
    /// What to run.
    let request: InferenceRequest
    /// The time limit that the client asks for: the parameter `timeout` in microseconds, as Triton has it.
    let timeout: Duration?
    private let model: ServedModel
    private let id: String?
    private let binaryOutputs: Set<String>
    private let isBinaryByDefault: Bool

    /// Reads a request.
    /// - Throws: `InferenceError.invalidInput` that names the field and what is expected.
    init(_ door: InferenceExchange, _ message: HTTPRequestMessage, _ body: [UInt8]) throws(InferenceError) {
        model = door.model
        var json = body[...]
        var raw: ArraySlice<UInt8> = []
        if let name = HTTPField.Name.inferenceHeaderLength, let text = message.head.headerFields[name] {
            guard let length = Int(text), length >= 0, length <= body.count else {
                throw InferenceError(
                    .invalidInput,
                    "header Inference-Header-Content-Length: \"\(text)\" isn't a length within the body"
                )
            }
            json = body[..<length]
            raw = body[length...]
        }
        let root = try JSONReading.object(json, limits: door.limits)
        if let value = root["id"], value.string == nil { throw JSONReading.wrong("id", "a string", value) }
        id = root["id"]?.string
        let parameters = root["parameters"]
        if let parameters, parameters.object == nil { throw JSONReading.wrong("parameters", "an object", parameters) }
        if let value = parameters?["timeout"] {
            guard let microseconds = value.integer, microseconds > 0 else {
                throw JSONReading.wrong("parameters.timeout", "a number of microseconds above 0", value)
            }
            timeout = .microseconds(microseconds)
        } else {
            timeout = nil
        }
        isBinaryByDefault = parameters?["binary_data_output"]?.bool ?? false
        let inputs = try Self.inputs(root, raw: raw)
        var names: [String] = []
        var binary: Set<String> = []
        for (index, output) in try JSONReading.list(root["outputs"], "outputs").enumerated() {
            guard let name = output["name"]?.string else {
                throw InferenceError(.invalidInput, "outputs[\(index)].name: expected the name of an output")
            }
            names.append(name)
            if output.at("parameters", "binary_data")?.bool ?? isBinaryByDefault { binary.insert(name) }
        }
        binaryOutputs = binary
        request = InferenceRequest(inputs: inputs, outputs: names)
    }

    /// Writes the answer; outputs that were asked for as raw data follow the JSON.
    func response(_ outputs: [NamedTensor]) -> HTTPResponseMessage {
        var writer = TensorWriter()
        var raw: [UInt8] = []
        writer.append("{\"model_name\":" + JSONValue.string(model.name).jsonText)
        writer.append(",\"model_version\":" + JSONValue.string(model.version).jsonText)
        if let id { writer.append(",\"id\":" + JSONValue.string(id).jsonText) }
        writer.append(",\"outputs\":[")
        for (index, output) in outputs.enumerated() {
            if index > 0 { writer.append(",") }
            let tensor = output.tensor
            writer.append("{\"name\":" + JSONValue.string(output.name).jsonText)
            writer.append(",\"datatype\":\"\(tensor.elementType.rawValue)\",\"shape\":")
            writer.append(.array(tensor.shape.map { JSONValue($0) }))
            var parameters = JSONObject()
            // A parameter is a string, a number or a boolean; a list of labels travels as JSON text.
            if let labels = tensor.labels {
                parameters["labels"] = .string(JSONValue.array(labels.map { .string($0) }).jsonText)
            }
            let isBinary = request.outputs.isEmpty ? isBinaryByDefault : binaryOutputs.contains(output.name)
            if isBinary {
                let bytes = BinaryTensor.encode(tensor)
                parameters["binary_data_size"] = JSONValue(bytes.count)
                raw += bytes
            }
            if !parameters.isEmpty {
                writer.append(",\"parameters\":")
                writer.append(.object(parameters))
            }
            if !isBinary {
                writer.append(",\"data\":")
                writer.appendFlat(tensor)
            }
            writer.append("}")
        }
        writer.append("]}")
        guard !raw.isEmpty, let name = HTTPField.Name.inferenceHeaderLength else {
            return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: writer.bytes)
        }
        var response = HTTPResponseMessage(
            status: .ok,
            contentType: "application/octet-stream",
            bytes: writer.bytes + raw
        )
        response.head.headerFields[name] = String(writer.bytes.count)
        return response
    }

    private static func inputs(_ root: JSONValue, raw: ArraySlice<UInt8>) throws(InferenceError) -> [NamedTensor] {
        guard root["inputs"] != nil else {
            throw InferenceError(.invalidInput, "inputs: is missing; expected an array of tensors")
        }
        var rest = raw
        var inputs: [NamedTensor] = []
        for (index, input) in try JSONReading.list(root["inputs"], "inputs").enumerated() {
            let path = "inputs[\(index)]"
            guard let name = input["name"]?.string else {
                throw InferenceError(.invalidInput, "\(path).name: expected the name of an input")
            }
            guard let type = input["datatype"]?.string.flatMap(ElementType.init(rawValue:)) else {
                let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
                throw InferenceError(.invalidInput, "\(path).datatype: expected one of \(known)")
            }
            guard let shape = JSONReading.shape(input["shape"]) else {
                throw InferenceError(.invalidInput, "\(path).shape: expected an array of sizes, each 0 or more")
            }
            let tensor: Tensor
            if let size = input.at("parameters", "binary_data_size") {
                guard let count = size.int, count >= 0, count <= rest.count else {
                    throw InferenceError(
                        .invalidInput,
                        "\(path).parameters.binary_data_size: \(rest.count) bytes are left after the JSON"
                    )
                }
                tensor = try BinaryTensor.decode(rest.prefix(count), type: type, shape: shape, path: path)
                rest = rest.dropFirst(count)
            } else if let data = input["data"] {
                tensor = try TensorDecoder(path: "\(path).data", type: type).tensor(data, shape: shape)
            } else {
                throw InferenceError(.invalidInput, "\(path).data: is missing; expected the elements, row by row")
            }
            inputs.append(NamedTensor(name: name, tensor: tensor))
        }
        guard rest.isEmpty else {
            throw InferenceError(.invalidInput, "\(rest.count) bytes after the JSON belong to no input")
        }
        return inputs
    }
}
