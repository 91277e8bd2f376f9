// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@testable import KubeServer

@Suite(.enabled(if: ReferenceData.isPresent, "needs ../shared"))
struct BuiltInDefaultsTests {
    private static func type(_ object: JSONValue) -> ResourceType {
        let parts = (object["apiVersion"]?.string ?? "").split(separator: "/").map(String.init)
        let kind = object["kind"]?.string ?? ""
        return ResourceType(
            group: parts.count == 2 ? parts[0] : "",
            version: parts.last ?? "",
            kind: kind,
            plural: kind.lowercased() + "s",
            isNamespaced: true
        )
    }

    @Test(
        "fills in defaults and words violations as the API server does",
        arguments: ["builtin-defaults", "create-errors", "crd-lifecycle"]
    )
    func recorded(_ name: String) throws {
        var compared = 0
        for step in try ReferenceData.steps(name) where step["method"] == "POST" {
            guard let body = step["body"], body.object != nil, let answer = step.at("response", "body"),
                let code = step.at("response", "status")?.int, code == 201 || code == 422
            else { continue }
            let type = Self.type(body)
            let object = BuiltInDefaults.applying(to: body, type: type)
            let causes = BuiltInValidation.violations(creating: object, type: type)
            if code == 422 {
                let status = BuiltInValidation.invalid(
                    kind: type.kind,
                    group: type.group,
                    name: body.at("metadata", "name")?.string ?? "",
                    causes: causes
                )
                #expect(status.json == answer, "\(status.json.jsonText)\n\(answer.jsonText)")
            } else {
                #expect(causes.isEmpty, "\(causes)")
                compare(object, answer)
                #expect(BuiltInDefaults.applying(to: object, type: type) == object)
            }
            compared += 1
        }
        #expect(compared >= 3)
    }

    private func compare(_ object: JSONValue, _ answer: JSONValue) {
        var (left, right) = (object, answer)
        for name in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] where object["kind"] == "Service" {
            left.set(nil, at: "spec", name)
            right.set(nil, at: "spec", name)
        }
        if object["kind"] == "CustomResourceDefinition" {
            // The server's own bookkeeping.
            left["status"] = nil
            right["status"] = nil
        }
        left["metadata"] = nil
        right["metadata"] = nil
        if object["kind"] == "Event" {
            // The recorder put its namespace into the answer.
            left["regarding"] = nil
            right["regarding"] = nil
        }
        #expect(left == right, "\(left.jsonText)\n\(right.jsonText)")
    }

    @Test("words updates that aren't allowed as the API server does")
    func updates() {
        let old: JSONValue = ["spec": ["clusterIP": "10.0.0.1", "type": "ClusterIP", "ports": [["port": 80]]]]
        var new = old
        new.set("10.0.99.99", at: "spec", "clusterIP")
        new.set("s", at: "metadata", "name")
        let causes = BuiltInValidation.violations(updating: old, to: new, type: .services)
        #expect(
            causes == [
                APIStatus.Cause(
                    reason: "FieldValueInvalid",
                    message: "Invalid value: [\"10.0.99.99\"]: may not change once set",
                    field: "spec.clusterIPs[0]"
                )
            ]
        )
    }

    @Test("refuses a changed selector and negative replicas")
    func selector() {
        let old: JSONValue = [
            "metadata": ["name": "d"],
            "spec": [
                "selector": ["matchLabels": ["a": "b"]],
                "template": [
                    "metadata": ["labels": ["a": "b", "c": "d"]],
                    "spec": ["containers": [["name": "c", "image": "x:1"]]],
                ],
            ],
        ]
        let before = BuiltInDefaults.applying(to: old, type: .deployments)
        var after = before
        after.set(["matchLabels": ["c": "d"]], at: "spec", "selector")
        after.set(-1, at: "spec", "replicas")
        let causes = BuiltInValidation.violations(updating: before, to: after, type: .deployments)
        #expect(
            causes.map(\.message) == [
                "Invalid value: {\"matchLabels\":{\"c\":\"d\"}}: field is immutable",
                "Invalid value: -1: must be greater than or equal to 0",
            ]
        )
    }
}
