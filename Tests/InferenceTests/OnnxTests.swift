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

@Suite(.timeLimit(.minutes(5))) struct OnnxTests {
    @Test("iris predicts what scikit-learn predicts, labels and probabilities") func iris() async throws {
        let file = TestModels.examples.appendingPathComponent("iris-expected.json")
        let expected = try JSONValue(parsing: [UInt8](Data(contentsOf: file)))
        let rows = try #require(expected["inputs"])
        try await withDoor(try TestModels.backend("iris"), name: "iris") { (door, _, _) async throws -> Void in
            let body: JSONValue = ["instances": rows]
            let answer = try await door.ask(.post, "/v1/models/iris:predict", body.jsonText)
            let predictions = try #require(answer.json["predictions"]?.array, "\(answer.error)")
            #expect(predictions.count == rows.array?.count)
            let classes = expected["classes"]?.array?.compactMap(\.string) ?? []
            for (index, prediction) in predictions.enumerated() {
                #expect(prediction["output_label"] == expected["labels"]?[index])
                for (column, name) in classes.enumerated() {
                    let found = try #require(prediction.at("output_probability", name)?.double)
                    let wanted = try #require(expected["probabilities"]?[index]?[column]?.double)
                    #expect(abs(found - wanted) < 1e-5)
                }
            }
        }
    }

    @Test("a zipmap becomes a table with the classes as labels") func zipmap() async throws {
        let backend = try TestModels.backend("iris")
        let input = NamedTensor(name: "input", tensor: try TestModels.floats([5.1, 3.5, 1.4, 0.2], shape: [1, 4]))
        let outputs = try backend.run([input], outputs: ["output_probability"])
        let table = try #require(outputs.first?.tensor)
        #expect(table.shape == [1, 3])
        #expect(table.labels == ["setosa", "versicolor", "virginica"])
        #expect(abs(table.bytes.elements(as: Float.self).reduce(0, +) - 1) < 1e-5)
        try await withDoor(backend, name: "iris") { (door, _, _) async throws -> Void in
            let body = #"{"inputs":[{"name":"input","datatype":"FP32","shape":[1,4],"data":[5.1,3.5,1.4,0.2]}]}"#
            let answer = try await door.ask(.post, "/v2/models/iris/infer", body)
            #expect(answer.json["outputs"]?[0]?["data"] == ["setosa"])
            #expect(
                answer.json["outputs"]?[1]?.at("parameters", "labels") == #"["setosa","versicolor","virginica"]"#
            )
        }
    }

    @Test("every element type goes in and comes out unchanged") func identity() async throws {
        let values: [(name: String, type: String, data: JSONValue)] = [
            ("f32", "FP32", [1.5, -2.25]), ("f64", "FP64", [1e300, -0.1]), ("f16", "FP16", [0.5, 2.0]),
            ("i8", "INT8", [-128, 127]), ("u8", "UINT8", [0, 255]), ("i16", "INT16", [-32768, 32767]),
            ("u16", "UINT16", [0, 65535]), ("i32", "INT32", [-2_147_483_648, 1]),
            ("u32", "UINT32", [0, 4_294_967_295]),
            ("i64", "INT64", [-9_007_199_254_740_993, 3]), ("u64", "UINT64", [0, 9_007_199_254_740_993]),
            ("flag", "BOOL", [true, false]), ("text", "BYTES", ["äö", ""]),
        ]
        let inputs = values.map { value -> JSONValue in
            ["name": .string(value.name), "datatype": .string(value.type), "shape": [1, 2], "data": value.data]
        }
        let body: JSONValue = ["inputs": .array(inputs)]
        try await withDoor(try TestModels.backend("identity")) { (door, _, _) async throws -> Void in
            let answer = try await door.ask(.post, "/v2/models/m/infer", body.jsonText)
            #expect(answer.status == 200, "\(answer.error)")
            let outputs = try #require(answer.json["outputs"]?.array)
            for value in values {
                let output = outputs.first { $0["name"]?.string == "\(value.name)_out" }
                #expect(output?["datatype"]?.string == value.type)
                let found = output?["data"]?.array ?? []
                for (index, wanted) in (value.data.array ?? []).enumerated() {
                    #expect(found[index] == wanted || found[index].double == wanted.double && wanted.double != nil)
                }
            }
        }
    }

    @Test("raw tensor data goes in and comes out (Triton's extension)") func binary() async throws {
        let json = #"""
            {"inputs":[{"name":"words","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":11}}],
            "outputs":[{"name":"same","parameters":{"binary_data":true}}]}
            """#
        let raw: [UInt8] = [2, 0, 0, 0, 0x68, 0x69, 1, 0, 0, 0, 0x21]
        let length = try #require(HTTPField.Name.inferenceHeaderLength)
        try await withDoor(try TestModels.backend("text")) { (door, _, _) async throws -> Void in
            let answer = try await door.ask(
                .post,
                "/v2/models/m/infer",
                bytes: Array(json.utf8) + raw,
                fields: [length: "\(json.utf8.count)"]
            )
            #expect(answer.status == 200, "\(answer.error)")
            let size = try #require(answer.fields[length].flatMap { Int($0) })
            #expect(Array(answer.bytes[size...]) == raw)
        }
    }

    @Test("several inputs, chosen outputs, a fixed batch, a free width") func shapes() async throws {
        let arithmetic = try TestModels.backend("arithmetic")
        let inputs = try ["b", "a"].map { name in
            NamedTensor(name: name, tensor: try TestModels.floats([1, 2, 3], shape: [1, 3]))
        }
        let product = try arithmetic.run(inputs, outputs: ["product"])
        #expect(product.first?.tensor.bytes.elements(as: Float.self) == [1, 4, 9])
        #expect(try !TestModels.backend("fixed").signature.isBatched)
        let wide = try TestModels.backend("wide")
        #expect(wide.signature.inputs.first?.shape == [nil, nil])
        #expect(throws: InferenceError.self) {
            let empty = try Tensor(elementType: .float32, shape: [1 << 40, 0], bytes: [])
            _ = try wide.signature.validate(inputs: [NamedTensor(name: "x", tensor: empty)])
        }
    }

    @Test("a raw truth value other than 0 and 1 is refused: the runtime would read from where it points") func truth()
        throws
    {
        #expect(try Tensor(elementType: .bool, shape: [2], bytes: [0, 1]).bytes == [0, 1])
        let error = #expect(throws: InferenceError.self) {
            try BinaryTensor.decode([1, 0, 200], type: .bool, shape: [3], path: "inputs[0]")
        }
        #expect(error?.code == .invalidInput)
        #expect(error?.message == "inputs[0]: element 2 is 200; a BOOL is the byte 0 or 1")
    }

    @Test("a corrupt file is refused with its name and the next step") func corrupt() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("corrupt-\(UUID()).onnx")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("this is no model".utf8).write(to: file)
        let runtime = try OnnxRuntime.open(locator: TestModels.locator)
        let error = #expect(throws: InferenceError.self) {
            try OnnxBackend(runtime: runtime, file: file.path, uri: "https://x/y.onnx", threads: 1)
        }
        #expect(error?.code == .loadFailed)
        #expect(error?.message.contains("model https://x/y.onnx isn't a valid ONNX model") == true)
    }

    @Test("a missing or foreign library is one clear sentence") func missingLibrary() {
        let nowhere = OnnxLibraryLocator(
            environment: ["MODELFLEET_ONNXRUNTIME": "/nowhere/libonnxruntime.so"],
            startingPoints: []
        )
        let missing = #expect(throws: InferenceError.self) { try OnnxRuntime.open(locator: nowhere) }
        #expect(missing?.message.contains("scripts/setup-python.sh") == true)
        #expect(missing?.message.contains("/nowhere/libonnxruntime.so") == true)
        #if os(Linux)
            let foreign = OnnxLibraryLocator(environment: ["MODELFLEET_ONNXRUNTIME": "libc.so.6"], startingPoints: [])
            let wrong = #expect(throws: InferenceError.self) { try OnnxRuntime.open(locator: foreign) }
            #expect(wrong?.message.contains("isn't ONNX Runtime") == true)
        #endif
    }
}
