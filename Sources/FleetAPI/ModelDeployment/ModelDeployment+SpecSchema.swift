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
            "rollout": rolloutSchema, "template": template,
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
            + "with engine Direct only what is written while scaling is paused or observed.",
        from: 0,
        to: 10_000
    )

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
