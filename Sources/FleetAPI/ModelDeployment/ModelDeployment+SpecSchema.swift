// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension ModelDeployment {
    /// The schema of `spec`.
    static let specSchema = StructuralSchema.object(
        "What is wanted: which model, how it is served, how it scales and how it rolls out.",
        required: ["model"],
        [
            "model": model, "runtime": runtime, "resources": resources, "replicas": replicas, "scaling": scaling,
            "rollout": rollout, "template": template,
        ]
    )

    private static let model = StructuralSchema.object(
        "The model to serve. A change makes a new revision.",
        required: ["format", "uri"],
        [
            "format": .object(
                "The model's format; picks a ServingRuntime where `runtime` names none.",
                required: ["name"],
                [
                    "name": .string(
                        "The format's name, as `onnx`.",
                        pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
                        maxLength: 63
                    ),
                    "version": .string("The format's version, where a runtime supports only some.", maxLength: 63),
                ]
            ),
            "uri": .string(
                "Where the model file is: https://, http:// or file:// (a path inside of the container).",
                pattern: "^(https|http|file)://.+$",
                maxLength: 2048
            ),
            "sha256": .string(
                "The SHA-256 of the model file in hexadecimal; checked before the model is loaded.",
                pattern: "^[0-9a-f]{64}$"
            ),
            "version": .string(
                "What people call this version of the model. Quote it: 1.10 without quotes is the number 1.1.",
                pattern: "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
                maxLength: 63
            ),
        ]
    )

    private static let runtime = StructuralSchema.object(
        "The ServingRuntime to use; without it, the one with the highest priority that supports the format.",
        required: ["name"],
        ["name": .string("The name of a ServingRuntime.", minLength: 1, maxLength: 253)]
    )

    private static let resources = StructuralSchema.object(
        "The resources of the container that serves the model, as in a pod.",
        [
            "requests": .quantities("What a node must have free: cpu, memory and others."),
            "limits": .quantities("What the container may use at most."),
        ]
    )

    private static let replicas = StructuralSchema.integer(
        "The replicas wanted by whatever scales this object from outside: an HPA, KEDA or `kubectl scale`. "
            + "Used with the engines HorizontalPodAutoscaler and External, within minReplicas and maxReplicas; "
            + "no effect with engine Direct.",
        from: 0,
        to: 10_000
    )

    private static let rules = StructuralSchema.object(
        "Rules for one direction.",
        [
            "stabilizationWindowSeconds": .integer(
                "For how many seconds an opposite recommendation is remembered: 0 for up, 300 for down by default.",
                from: 0,
                to: 3600
            ),
            "selectPolicy": .string(
                "Which policy counts: the one that allows most change, least change, or no change at all.",
                of: ["Max", "Min", "Disabled"]
            ),
            "policies": .list(
                "How far the count may move within a period.",
                of: .object(
                    "One limit.",
                    required: ["type", "value", "periodSeconds"],
                    [
                        "type": .string("What the value counts.", of: ["Pods", "Percent"]),
                        "value": .integer("The most change in one period.", from: 1),
                        "periodSeconds": .integer("The length of the period in seconds.", from: 1, to: 1800),
                    ]
                ),
                limit: 10
            ),
            "tolerance": .number(
                "The relative distance from a target that is close enough, 0.1 by default.",
                from: 0,
                to: 1
            ),
        ]
    )

    private static let scaling = StructuralSchema.object(
        "How the number of replicas follows the load.",
        [
            "engine": .string(
                "Who decides the replica count: Direct (the operator, from the metrics of the pods), "
                    + "HorizontalPodAutoscaler (an HPA that the operator keeps) or External (whoever writes `replicas`).",
                default: "Direct",
                of: ["Direct", "HorizontalPodAutoscaler", "External"]
            ),
            "minReplicas": .integer("The fewest replicas.", from: 1, to: 10_000, default: 1),
            "maxReplicas": .integer("The most replicas.", from: 1, to: 10_000, default: 5),
            "objective": .object(
                "The promise to keep to users.",
                [
                    "latency": .object(
                        "A latency that most requests keep below.",
                        required: ["milliseconds"],
                        [
                            "percentile": .integer(
                                "Which share of the requests, in percent.",
                                from: 1,
                                to: 99,
                                default: 95
                            ),
                            "milliseconds": .integer("The latency in milliseconds.", from: 1, to: 3_600_000),
                        ]
                    )
                ]
            ),
            "targets": .list(
                "Levels per replica to hold; the largest answer wins. By default QueueLength 4 and InFlight 16 where no objective is given.",
                of: .object(
                    "One level.",
                    required: ["signal", "value"],
                    [
                        "signal": .string(
                            "What is measured: requests that wait, requests in work, requests a second.",
                            of: ["QueueLength", "InFlight", "RequestRate"]
                        ),
                        "value": .number("The level per replica; 0.001 or more.", from: 0.001, to: 1_000_000),
                    ]
                ),
                limit: 3,
                keys: ["signal"]
            ),
            "intervalSeconds": .integer(
                "How often the pods are scraped and the count is decided, with engine Direct.",
                from: 1,
                to: 15,
                default: 2
            ),
            "behavior": .object(
                "How quickly the count may change, as in the HPA.",
                ["scaleUp": rules, "scaleDown": rules]
            ),
            "scaleToZero": .object(
                "Not supported yet: reserved for scaling to zero when idle.",
                ["idleSeconds": .integer("Seconds without a request.", from: 10)]
            ),
        ]
    ).rule(
        "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
        "minReplicas must not be greater than maxReplicas"
    ).defaulting(to: .emptyObject)

    private static let rollout = StructuralSchema.object(
        "How a new revision replaces the old one.",
        [
            "strategy": .string(
                "RollingUpdate brings the new revision up to the old one's size, moves the traffic, then removes the old one. "
                    + "Canary, BlueGreen and Shadow are not supported yet and act as RollingUpdate.",
                default: "RollingUpdate",
                of: ["Canary", "BlueGreen", "Shadow", "RollingUpdate"]
            ),
            "progressDeadlineSeconds": .integer(
                "How long a new revision may take to get ready before the rollout counts as failed.",
                from: 1,
                to: 86_400,
                default: 600
            ),
            "steps": .list(
                "Not supported yet: the steps of a canary.",
                of: .open("One step."),
                limit: 50
            ),
            "analysis": .open("Not supported yet: how a canary is judged."),
        ]
    ).defaulting(to: .emptyObject)

    private static let template = StructuralSchema.object(
        "What is passed through to the pods. A change makes a new revision.",
        [
            "metadata": .object(
                "Metadata of the pods.",
                [
                    "labels": .strings("Labels of the pods; those of modelfleet.dev can't be changed."),
                    "annotations": .strings("Annotations of the pods."),
                ]
            ),
            "spec": .open(
                "Fields of the pods' spec: nodeSelector, tolerations, volumes, serviceAccountName and others."
            ),
        ]
    )
}
