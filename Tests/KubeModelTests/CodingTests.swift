// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@Suite("Decoding and encoding")
struct CodingTests {
    struct Target: Codable, Equatable {
        var signal: String
        var value: Int32?
    }

    struct Scaling: Codable, Equatable {
        var maxReplicas: Int
        var targets: [Target]?
        var weights: [String: Double]?
        var surge: IntOrString?
        var memory: Quantity?
        var template: JSONValue?
    }

    struct Spec: Codable, Equatable { var scaling: Scaling }
    struct Object: Codable, Equatable { var spec: Spec }

    @Test("a value comes back as it was")
    func roundTrip() throws {
        let json: JSONValue = [
            "spec": [
                "scaling": [
                    "maxReplicas": 9_007_199_254_740_993,
                    "targets": [["signal": "QueueLength", "value": 4], ["signal": "CPU"]],
                    "weights": ["a": 0.5], "surge": "25%", "memory": "1536Mi",
                    "template": ["spec": ["big": .integer(.max), "nothing": .null, "list": [1, "a", true]]],
                ]
            ]
        ]
        let object = try JSONValueDecoder().decode(Object.self, from: json)
        #expect(object.spec.scaling.maxReplicas == 9_007_199_254_740_993)
        #expect(object.spec.scaling.surge == .string("25%"))
        #expect(try JSONValueEncoder().encode(object) == json)
    }

    @Test("null counts as missing where a member is optional")
    func null() throws {
        let json: JSONValue = ["maxReplicas": 3, "targets": .null, "memory": .null]
        let scaling = try JSONValueDecoder().decode(Scaling.self, from: json)
        #expect(scaling == Scaling(maxReplicas: 3))
        #expect(try JSONValueEncoder().encode(scaling) == ["maxReplicas": 3])
    }

    @Test(
        "errors name the path and what was expected",
        arguments: [
            (
                ["spec": ["scaling": ["maxReplicas": "3"]]],
                "spec.scaling.maxReplicas: expected an integer, found a string"
            ),
            (["spec": ["scaling": [:]]], "spec.scaling.maxReplicas: is required"),
            (
                ["spec": ["scaling": ["maxReplicas": 1.5]]],
                "spec.scaling.maxReplicas: expected an integer, found a number"
            ),
            (["spec": ["scaling": .null]], "spec.scaling: expected an object, found null"),
            (
                ["spec": ["scaling": ["maxReplicas": 1, "targets": [["signal": "a"], ["signal": 1]]]]],
                "spec.scaling.targets[1].signal: expected a string, found an integer"
            ),
            (
                ["spec": ["scaling": ["maxReplicas": 1, "targets": [["signal": "a", "value": 3_000_000_000]]]]],
                "spec.scaling.targets[0].value: 3000000000 is out of range"
            ),
            (
                ["spec": ["scaling": ["maxReplicas": 1, "targets": ["a": 1]]]],
                "spec.scaling.targets: expected a list, found an object"
            ),
            ([], "expected an object, found a list"),
        ] as [(JSONValue, String)]
    )
    func errors(json: JSONValue, message: String) {
        let error = #expect(throws: JSONDecodingError.self) { try JSONValueDecoder().decode(Object.self, from: json) }
        #expect(error?.description == message)
    }

    @Test("a wrong quantity is refused with its path")
    func quantity() {
        let json: JSONValue = ["maxReplicas": 1, "memory": "1 Gi"]
        let error = #expect(throws: JSONDecodingError.self) { try JSONValueDecoder().decode(Scaling.self, from: json) }
        #expect(error?.path == "memory")
    }

    @Test("numbers that JSON can't hold are refused")
    func notANumber() {
        #expect(throws: EncodingError.self) { try JSONValueEncoder().encode(["a": Double.nan]) }
    }
}

@Suite("Conditions")
struct ConditionTests {
    private let start = WallTime(nanoseconds: 1_767_225_600_000_000_000)

    @Test("the transition time moves only with the status")
    func transition() {
        var set = ConditionSet()
        let ready = Condition(
            type: "Ready",
            status: .isFalse,
            reason: "Loading",
            message: "1 of 2",
            observedGeneration: 1
        )
        #expect(set.set(ready, now: start) == true)
        #expect(set.set(ready, now: start + .seconds(5)) == false, "the same condition is no change")
        var next = ready
        next.message = "2 of 2"
        #expect(set.set(next, now: start + .seconds(10)) == true)
        #expect(set["Ready"]?.lastTransitionTime == start)
        next.status = .isTrue
        #expect(set.set(next, now: start + .seconds(20)) == true)
        #expect(set["Ready"]?.lastTransitionTime == start + .seconds(20))
    }

    @Test("conditions survive an object, in their order")
    func roundTrip() {
        var object = KubeObject(.pods, namespace: "n", name: "a")
        var set = ConditionSet()
        for type in ["Ready", "Available", "Progressing"] {
            set.set(Condition(type: type, status: .unknown, reason: "New"), now: start)
        }
        set.write(to: &object)
        #expect(ConditionSet(object) == set)
        #expect(ConditionSet(object).conditions.map(\.type) == ["Ready", "Available", "Progressing"])
        #expect(object["status", "conditions"]?[0]?["lastTransitionTime"] == "2026-01-01T00:00:00Z")
    }
}

@Suite("Views")
struct ViewTests {
    @Test("a pod's restarts are those of all its containers, and without a condition it isn't ready")
    func restarts() {
        var object = KubeObject(.pods, namespace: "n", name: "a")
        object["status", "containerStatuses"] = [
            ["name": "x", "restartCount": 1, "state": ["waiting": ["reason": "ContainerCreating"]]],
            ["name": "y", "restartCount": 2, "state": ["waiting": ["reason": "CrashLoopBackOff"]]],
        ]
        #expect(Core.Pod(object).restartCount == 3)
        #expect(!Core.Pod(object).isReady)
    }
}
