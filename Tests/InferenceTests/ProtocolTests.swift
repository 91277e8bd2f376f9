// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPTypes
import KubeModel
import Testing

@testable import Inference
@testable import InferenceHTTP

@Suite(.timeLimit(.minutes(5))) struct ProtocolTests {
    struct Bad: Sendable, CustomTestStringConvertible {
        var body: String
        var says: String
        var testDescription: String { says }
    }

    static func infer(_ input: String) -> String { #"{"inputs":[\#(input)]}"# }

    static let bad: [Bad] = [
        Bad(body: "", says: "the body is no JSON"),
        Bad(body: "[]", says: "the body: expected a JSON object, found array"),
        Bad(body: "{}", says: "inputs: is missing"),
        Bad(body: #"{"inputs":3}"#, says: "inputs: expected an array, found integer"),
        Bad(body: #"{"inputs":[1]}"#, says: "inputs[0]: expected an object"),
        Bad(body: #"{"id":1,"inputs":[]}"#, says: "id: expected a string"),
        Bad(body: #"{"inputs":[]}"#, says: #"input "x": is missing; expected FP32 of shape [-1, 2]"#),
        Bad(body: infer(#"{"datatype":"FP32"}"#), says: "inputs[0].name"),
        Bad(body: infer(#"{"name":"x","datatype":"FP31"}"#), says: "inputs[0].datatype: expected one of BOOL"),
        Bad(body: infer(#"{"name":"x","datatype":"FP32","shape":[-1,2]}"#), says: "inputs[0].shape"),
        Bad(
            body: infer(#"{"name":"x","datatype":"FP32","shape":[9223372036854775807,2],"data":[]}"#),
            says: "is not possible"
        ),
        Bad(body: infer(#"{"name":"x","datatype":"FP32","shape":[1,2]}"#), says: "inputs[0].data: is missing"),
        Bad(
            body: infer(#"{"name":"x","datatype":"FP32","shape":[1,2],"data":[1]}"#),
            says: "inputs[0].data: expected 2 elements for shape [1, 2], found 1"
        ),
        Bad(
            body: infer(#"{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,"a"]}"#),
            says: #"inputs[0].data[1]: "a" is no FP32; expected a number of 32 bits"#
        ),
        Bad(
            body: infer(#"{"name":"x","datatype":"UINT8","shape":[1,2],"data":[[1,256]]}"#),
            says: "inputs[0].data[0][1]: 256 is no UINT8; expected a whole number from 0 to 255"
        ),
        Bad(
            body: infer(#"{"name":"x","datatype":"INT64","shape":[1,2],"data":[1,2]}"#),
            says: #"input "x": has datatype INT64, expected FP32"#
        ),
        Bad(
            body: infer(#"{"name":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3]}"#),
            says: #"input "x": has shape [1, 3], expected [-1, 2]"#
        ),
        Bad(
            body: infer(#"{"name":"z","datatype":"FP32","shape":[1],"data":[1]}"#),
            says: #"input "z": the model has no such input; it has "x""#
        ),
        Bad(
            body: #"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}],"outputs":[{"name":"q"}]}"#,
            says: #"output "q": the model has no such output; it has "y""#
        ),
        Bad(
            body: infer(#"{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,1e39]}"#),
            says: "inputs[0].data[1]: 1e+39 is no FP32; expected a number of 32 bits"
        ),
        Bad(
            body: infer(#"{"name":"x","datatype":"FP16","shape":[1,2],"data":[70000,1]}"#),
            says: "inputs[0].data[0]: 70000 is no FP16; expected a number from -65504 to 65504"
        ),
        Bad(body: infer(#"{"name":"x","datatype":"FP32","shape":[0,2],"data":[]}"#), says: "at least one"),
        Bad(body: String(repeating: "[", count: 5000), says: "nested more than 64 levels deep"),
    ]

    @Test("answers 400 with the field and what is expected", arguments: bad) func invalid(row: Bad) async throws {
        try await withDoor(GateBackend()) { (door, _, _) async throws -> Void in
            let answer = try await door.ask(.post, "/v2/models/m/infer", row.body)
            #expect(answer.status == 400)
            #expect(answer.error.contains(row.says), "\(answer.error)")
        }
    }

    @Test("echoes the id, selects outputs, takes flat and nested data") func open() async throws {
        try await withDoor(GateBackend()) { (door, _, _) async throws -> Void in
            for data in ["[1,2,3,4]", "[[1,2],[3,4]]"] {
                let body = """
                    {"id":"q1","outputs":[{"name":"y"}],
                     "inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":\(data)}]}
                    """
                let answer = try await door.ask(.post, "/v2/models/m/versions/2/infer", body)
                #expect(
                    answer.json == [
                        "model_name": "m", "model_version": "2", "id": "q1",
                        "outputs": [
                            ["name": "y", "datatype": "FP32", "shape": [2, 2], "data": [2.0, 3.0, 4.0, 5.0]]
                        ],
                    ]
                )
            }
        }
    }

    @Test("takes rows and columns in TensorFlow Serving's format") func predict() async throws {
        try await withDoor(GateBackend()) { (door, _, _) async throws -> Void in
            for body in [#"{"instances":[[1,2],[3,4]]}"#, #"{"instances":[{"x":[1,2]},{"x":[3,4]}]}"#] {
                let rows = try await door.ask(.post, "/v1/models/m:predict", body)
                #expect(rows.json == ["predictions": [[2.0, 3.0], [4.0, 5.0]]])
            }
            let columns = try await door.ask(.post, "/v1/models/m/versions/2:predict", #"{"inputs":{"x":[[1,2]]}}"#)
            #expect(columns.json == ["outputs": [[2.0, 3.0]]])
            let wrong = try await door.ask(.post, "/v1/models/m:predict", #"{"instances":[[1,2],[3]]}"#)
            #expect(wrong.status == 400)
            #expect(wrong.error == "instances[1]: expected 2 elements, found 1")
        }
    }

    @Test("answers each path") func paths() async throws {
        let limits = InferenceLimits(bodyBytes: 100)
        try await withDoor(GateBackend(), limits: limits) { (door, _, _) async throws -> Void in
            #expect(try await door.ask(.get, "/v2").json["extensions"] == ["binary_tensor_data"])
            let metadata = try await door.ask(.get, "/v2/models/m").json
            #expect(metadata["inputs"] == [["name": "x", "datatype": "FP32", "shape": [-1, 2]]])
            #expect(try await door.ask(.get, "/v2/models/m/ready").status == 200)
            #expect(try await door.ask(.get, "/v2/models/other").status == 404)
            #expect(try await door.ask(.get, "/v2/models/m/versions/9/ready").status == 404)
            #expect(try await door.ask(.get, "/nothing").status == 404)
            #expect(try await door.ask(.get, "/v2/models/m/infer").status == 405)
            #expect(try await door.ask(.post, "/v2/models/m/infer", String(repeating: " ", count: 101)).status == 413)
            let status = try await door.ask(.get, "/v1/models/m").json["model_version_status"]?[0]
            #expect(status?["state"] == "AVAILABLE")
        }
    }

    @Test("random bodies never crash it and are always answered") func fuzz() async throws {
        let pieces = [
            "{", "}", "[", "]", ",", ":", "\"inputs\"", "\"name\"", "\"x\"", "\"datatype\"", "\"FP32\"", "\"shape\"",
            "[1,2]",
            "\"data\"", "1", "-1", "1e999", "9223372036854775807", "null", "true", "\"\\ud800\"", "\"parameters\"",
            "{\"binary_data_size\":9}", "\"outputs\"", "\"instances\"", "[[1],[2,3]]", "\u{0}",
        ]
        var random = Numbers(state: 42)
        try await withDoor(GateBackend()) { (door, _, _) async throws -> Void in
            for _ in 0..<2000 {
                var body = ProtocolTests.infer(#"{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}"#)
                for _ in 0..<Int(random.next() % 6) {
                    let piece = pieces[Int(random.next() % UInt64(pieces.count))]
                    let place = body.index(body.startIndex, offsetBy: Int(random.next() % UInt64(body.count + 1)))
                    body.insert(contentsOf: piece, at: place)
                }
                let path = random.next() % 2 == 0 ? "/v2/models/m/infer" : "/v1/models/m:predict"
                #expect([200, 400].contains(try await door.ask(.post, path, body).status), "\(body)")
            }
        }
    }

    /// A small generator (xorshift) so that a failure repeats.
    struct Numbers: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }
}
