// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("The two versions of a horizontal pod autoscaler, and reviews of others")
struct AutoscalerVersionTests {
    private static let old = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
    private static let new = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    private static let target: JSONValue = ["apiVersion": "apps/v1", "kind": "Deployment", "name": "d"]

    @Test("a CPU percentage of v1 is a Resource metric of v2, and back")
    func percentage() async throws {
        let client = TestClient()
        let spec: JSONValue = ["scaleTargetRef": Self.target, "maxReplicas": 5, "targetCPUUtilizationPercentage": 70]
        let made = try await client.json(.post, Self.old, ["metadata": ["name": "h"], "spec": spec])
        #expect(made.code == 201 && made.body["apiVersion"] == "autoscaling/v1", "\(made.body)")
        #expect(made.body.at("spec", "minReplicas") == 1)
        let metric: JSONValue = [
            "type": "Resource",
            "resource": ["name": "cpu", "target": ["type": "Utilization", "averageUtilization": 70]],
        ]
        let seen = try await client.json(.get, Self.new + "/h")
        #expect(seen.body.at("spec", "metrics") == [metric])
        let again = try await client.json(.get, Self.old + "/h")
        #expect(again.body.at("spec", "targetCPUUtilizationPercentage") == 70)
        #expect(again.body.at("spec", "metrics") == nil)
        let list = try await client.json(.get, Self.old)
        #expect(list.body["kind"] == "HorizontalPodAutoscalerList")
        #expect(list.body["items"]?[0]?.at("spec", "targetCPUUtilizationPercentage") == 70)
    }

    @Test("what v1 has no field for is in its annotations, and an update of v1 keeps it")
    func annotations() async throws {
        let client = TestClient()
        let metrics: JSONValue = [
            [
                "type": "External",
                "external": [
                    "metric": ["name": "q", "selector": ["matchLabels": ["a": "b"]]],
                    "target": ["type": "AverageValue", "averageValue": "4"],
                ],
            ],
            [
                "type": "Object",
                "object": [
                    "describedObject": ["kind": "Service", "name": "s", "apiVersion": "v1"], "metric": ["name": "r"],
                    "target": ["type": "Value", "value": "10"],
                ],
            ],
            [
                "type": "Pods",
                "pods": ["metric": ["name": "p"], "target": ["type": "AverageValue", "averageValue": "1"]],
            ],
        ]
        let behavior: JSONValue = ["scaleDown": ["stabilizationWindowSeconds": 5]]
        let spec: JSONValue = [
            "scaleTargetRef": Self.target, "maxReplicas": 5, "metrics": metrics, "behavior": behavior,
        ]
        let made = try await client.json(.post, Self.new, ["metadata": ["name": "h"], "spec": spec])
        #expect(made.code == 201, "\(made.body)")
        let kept = made.body.at("spec", "behavior")
        var seen = try await client.json(.get, Self.old + "/h").body
        let text = seen.at("metadata", "annotations", "autoscaling.alpha.kubernetes.io/metrics")?.string ?? ""
        let written = try JSONValue(parsing: Array(text.utf8))
        #expect(
            written[0]?["external"]
                == ["metricName": "q", "metricSelector": ["matchLabels": ["a": "b"]], "targetAverageValue": "4"]
        )
        #expect(written[1]?.at("object", "target", "name") == "s")
        #expect(seen.at("spec", "behavior") == nil)
        seen.set(9, at: "spec", "maxReplicas")
        let updated = try await client.json(.put, Self.old + "/h", seen)
        #expect(updated.code == 200, "\(updated.body)")
        let back = try await client.json(.get, Self.new + "/h").body
        #expect(back.at("spec", "maxReplicas") == 9)
        #expect(back.at("spec", "metrics") == metrics)
        #expect(back.at("spec", "behavior") == kept)
        #expect(back.at("metadata", "annotations") == nil || back.at("metadata", "annotations") == [:])
    }

    @Test("an annotation that lists no metrics is left out")
    func brokenAnnotations() async throws {
        let client = TestClient()
        let texts = ["[1]", "[null]", "{}", "[{\"type\":5}]", "[{\"type\":\"Pods\",\"pods\":{\"metricName\":[]}}]"]
        for (index, text) in texts.enumerated() {
            let name = "h\(index)"
            let annotations: JSONValue = [
                "autoscaling.alpha.kubernetes.io/metrics": .string(text),
                "autoscaling.alpha.kubernetes.io/behavior": "{\"scaleUp\":1}",
            ]
            let body: JSONValue = [
                "metadata": ["name": .string(name), "annotations": annotations],
                "spec": ["scaleTargetRef": Self.target, "maxReplicas": 5, "targetCPUUtilizationPercentage": 70],
            ]
            #expect(try await client.json(.post, Self.old, body).code == 201)
            let stored = try await client.json(.get, Self.new + "/\(name)").body
            #expect(stored.at("spec", "metrics")?.array?.count == 1, "\(text)")
            #expect(stored.at("spec", "metrics")?[0]?["type"] == "Resource", "\(text)")
            #expect(stored.at("spec", "behavior", "scaleUp") != 1, "\(text)")
        }
    }

    @Test("a token is reviewed for another server, and so is what somebody may do")
    func reviews() async throws {
        let client = TestClient { $0.tokens = ["right"] }
        let fields = ["Authorization": "Bearer right"]
        func review(_ token: String) async throws -> JSONValue? {
            let body: JSONValue = ["spec": ["token": .string(token)]]
            return try await client.json(
                .post,
                "/apis/authentication.k8s.io/v1/tokenreviews",
                body,
                headers: fields
            ).body["status"]
        }
        #expect(try await review("right")?["authenticated"] == true)
        #expect(try await review("right")?.at("user", "username") == "modelfleet-local")
        #expect(try await review("wrong")?["authenticated"] != true)
        func may(_ groups: JSONValue) async throws -> JSONValue? {
            let attributes: JSONValue = ["verb": "get", "resource": "pods"]
            return try await client.json(
                .post,
                "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                ["spec": ["user": "u", "groups": groups, "resourceAttributes": attributes]],
                headers: fields
            ).body.at("status", "allowed")
        }
        #expect(try await may(["system:masters"]) == true)
        #expect(try await may(["system:authenticated"]) == false)
    }
}
