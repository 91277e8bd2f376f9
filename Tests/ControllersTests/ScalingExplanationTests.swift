// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Controllers
import KubeModel
import Testing

@Suite("What explain says when somebody else decides")
struct ScalingExplanationTests {
    private static func model(_ engine: String) -> KubeObject {
        KubeObject([
            "metadata": ["name": "flower", "namespace": "shop"],
            "spec": ["scaling": ["engine": .string(engine), "minReplicas": 1, "maxReplicas": 5]],
        ])
    }

    /// As a 1.36 control plane leaves it, with a metric that can't be read.
    private static let autoscaler = KubeObject([
        "metadata": ["name": "flower", "namespace": "shop"],
        "spec": [
            "metrics": [
                ["type": "External", "external": ["metric": ["name": "queue"], "target": ["averageValue": "1"]]],
                ["type": "External", "external": ["metric": ["name": "work"], "target": ["averageValue": "2500m"]]],
                ["type": "Resource", "resource": ["name": "cpu", "target": ["averageUtilization": 70]]],
                ["type": "External", "external": ["metric": ["name": "lost"], "target": ["value": "3"]]],
            ]
        ],
        "status": [
            "currentReplicas": 2, "desiredReplicas": 5, "lastScaleTime": "2026-11-29T14:17:36Z",
            "currentMetrics": [
                ["type": "External", "external": ["metric": ["name": "queue"], "current": ["averageValue": "200m"]]],
                ["type": "External", "external": ["metric": ["name": "work"], "current": ["averageValue": "1250m"]]],
                ["type": "Resource", "resource": ["name": "cpu", "current": ["averageUtilization": 85]]],
                ["type": ""],
            ],
            "conditions": [
                [
                    "type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas",
                    "message": "the desired replica count is more than the maximum replica count",
                ]
            ],
        ],
    ])

    /// An autoscaler of no replicas; `active` is the condition's status and reason.
    private static func autoscaler(desired: Int, active: String) -> KubeObject {
        let words = active.split(separator: " ").map { JSONValue.string(String($0)) }
        let condition: JSONValue = ["type": "ScalingActive", "status": words[0], "reason": words[1], "message": "m"]
        return KubeObject([
            "metadata": ["name": "flower"],
            "status": ["currentReplicas": 0, "desiredReplicas": JSONValue(desired), "conditions": [condition]],
        ])
    }

    @Test("an HPA of somebody else that has the model's name isn't taken for the model's own")
    func somebodyElses() {
        var model = Self.model("HorizontalPodAutoscaler")
        model["metadata", "uid"] = "1"
        let text = ScalingExplanation(model, autoscaler: Self.autoscaler).text
        #expect(text.contains("Its HorizontalPodAutoscaler flower decides, and isn't there yet."))
        var own = Self.autoscaler
        own["metadata", "ownerReferences"] = [
            [
                "apiVersion": "modelfleet.dev/v1alpha1", "kind": "ModelDeployment", "name": "flower", "uid": "1",
                "controller": true,
            ]
        ]
        #expect(ScalingExplanation(model, autoscaler: own).text.contains("asks for 5 replicas and has 2"))
    }

    @Test("an HPA is shown with its readings, their targets, and why")
    func autoscaled() {
        #expect(ScalingExplanation.needsAutoscaler(Self.model("HorizontalPodAutoscaler")))
        let explanation = ScalingExplanation(Self.model("HorizontalPodAutoscaler"), autoscaler: Self.autoscaler)
        #expect(
            explanation.text == """
                shop/flower is scaled by engine HorizontalPodAutoscaler, between 1 and 5 replicas.
                Its HorizontalPodAutoscaler flower asks for 5 replicas and has 2; it last changed the count at 2026-11-29T14:17:36Z.
                  queue is 0.2 per replica, target 1.
                  work is 1.25 per replica, target 2.5.
                  cpu is 85 % of the request, target 70.
                  lost wasn't read, target 3.
                  ScalingLimited is True (TooManyReplicas): the desired replica count is more than the maximum replica count.

                """
        )
        #expect(explanation.json["horizontalPodAutoscaler"]?["desiredReplicas"] == 5)
    }

    @Test("an HPA that isn't there or hasn't decided, and a count that is left to others")
    func undecided() {
        let model = Self.model("HorizontalPodAutoscaler")
        #expect(ScalingExplanation(model).text.contains("HorizontalPodAutoscaler flower decides, and isn't there yet."))
        let one = Self.autoscaler(desired: 1, active: "True ValidMetricFound")
        #expect(ScalingExplanation(model, autoscaler: one).text.contains("asks for 1 replica and has 0."))
        let unread = ScalingExplanation(model, unread: "not for you")
        #expect(
            unread.text.hasPrefix(
                "shop/flower is scaled by engine HorizontalPodAutoscaler, between 1 and 5 replicas.\n"
            )
        )
        #expect(
            unread.text.contains(
                "HorizontalPodAutoscaler flower decides, and couldn't be read: not for you; what it says"
            )
        )
        #expect(unread.json["horizontalPodAutoscalerUnread"] == "not for you")
        let fresh = KubeObject(["metadata": ["name": "flower"], "spec": [:]])
        #expect(ScalingExplanation(model, autoscaler: fresh).text.contains("decides, and hasn't decided yet."))
        // desiredReplicas is there from the start, with 0.
        let created = KubeObject([
            "metadata": ["name": "flower"], "status": ["currentMetrics": .null, "desiredReplicas": 0],
        ])
        #expect(ScalingExplanation(model, autoscaler: created).text.contains("decides, and hasn't decided yet."))
        let failing = Self.autoscaler(desired: 0, active: "False FailedGetExternalMetric")
        let text = ScalingExplanation(model, autoscaler: failing).text
        #expect(text.contains("decides, and hasn't come to a count yet.") && text.contains("FailedGetExternalMetric"))
        let off = Self.autoscaler(desired: 0, active: "False ScalingDisabled")
        #expect(ScalingExplanation(model, autoscaler: off).text.contains("asks for 0 replicas and has 0."))
        #expect(!ScalingExplanation.needsAutoscaler(Self.model("External")))
        #expect(ScalingExplanation(Self.model("External")).text.contains("leaves the count to somebody else"))
        #expect(ScalingExplanation(Self.model("Direct")).text.contains("No decision was made yet."))
    }
}
