// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Contexts of the built-in shape.
enum SampleContext {
    /// The least that a model gives.
    static let minimal: JSONValue = [
        "model": [
            "name": "churn", "namespace": "shop", "uid": "0b0c7d1e-0000-4000-8000-000000000001",
            "apiVersion": "modelfleet.dev/v1alpha1", "kind": "ModelDeployment", "format": "onnx",
            "uri": "https://models.example.com/churn/2.1.3/model.onnx", "sha256": .null, "version": .null,
        ],
        "revision": ["number": 3, "name": "churn-r3", "hash": "5d8f7c"],
        "replicas": .null,
        "runtime": [
            "name": "modelfleet-onnx", "image": "modelfleet/server:0.1.0", "command": .null, "env": .null,
            "args": ["--model-name", "churn", "--model-uri", "https://models.example.com/churn/2.1.3/model.onnx"],
            "ports": [["name": "http", "containerPort": 8080, "protocol": "TCP"]],
            "readinessProbe": ["httpGet": ["path": "/v2/health/ready", "port": "http"], "periodSeconds": 2],
            "livenessProbe": .null, "startupProbe": .null, "lifecycle": .null,
        ],
        "resources": .null,
        "labels": ["app.kubernetes.io/name": "churn", "app.kubernetes.io/managed-by": "modelfleet"],
        "selectorLabels": ["modelfleet.dev/model": "churn", "modelfleet.dev/revision": "3"],
        "template": ["metadata": .null, "spec": .null],
        "minReadySeconds": .null, "terminationGracePeriodSeconds": .null, "hpa": .null,
        "ownerReferences": [
            [
                "apiVersion": "modelfleet.dev/v1alpha1", "kind": "ModelDeployment", "name": "churn",
                "uid": "0b0c7d1e-0000-4000-8000-000000000001", "controller": true, "blockOwnerDeletion": true,
            ]
        ],
    ]

    /// Everything that a model can give.
    static let full: JSONValue = {
        var context = minimal
        context.set("2.1.3", at: "model", "version")
        context.set("5f0c", at: "model", "sha256")
        context.set(2, at: "replicas")
        context.set(["/bin/server"], at: "runtime", "command")
        context.set([["name": "LOG_LEVEL", "value": "info"]], at: "runtime", "env")
        context.set(["httpGet": ["path": "/v2/health/live", "port": "http"]], at: "runtime", "livenessProbe")
        context.set(
            ["httpGet": ["path": "/v2/health/ready", "port": "http"], "failureThreshold": 600, "periodSeconds": 1],
            at: "runtime",
            "startupProbe"
        )
        context.set(["requests": ["cpu": "500m", "memory": "512Mi"], "limits": ["memory": "512Mi"]], at: "resources")
        context.set(["preStop": ["sleep": ["seconds": 5]]], at: "runtime", "lifecycle")
        context.set(5, at: "minReadySeconds")
        context.set(60, at: "terminationGracePeriodSeconds")
        context.set(
            [
                "metadata": [
                    "labels": ["team": "shop", "modelfleet.dev/model": "other"], "annotations": ["a/b": "yes"],
                ],
                "spec": [
                    "nodeSelector": ["disk": "ssd"], "topologySpreadConstraints": .null,
                    "tolerations": [["key": "gpu", "operator": "Exists"]],
                    "securityContext": ["runAsUser": 1000],
                    "containers": [
                        [
                            "name": "server",
                            "env": [
                                [
                                    "name": "LOG_LEVEL",
                                    "valueFrom": ["configMapKeyRef": ["name": "logs", "key": "level"]],
                                ], ["name": "EXTRA", "value": "1"],
                            ],
                            "volumeMounts": [["name": "cache", "mountPath": "/cache"]],
                        ], ["name": "proxy", "image": "example.com/proxy:1"],
                    ],
                    "volumes": [["name": "cache", "emptyDir": ["sizeLimit": "1Gi"]]],
                ],
            ],
            at: "template"
        )
        context.set(
            [
                "minReplicas": 2, "maxReplicas": 20,
                "metrics": [
                    [
                        "type": "External",
                        "external": [
                            "metric": [
                                "name": "modelfleet-queue-length",
                                "selector": ["matchLabels": ["modelfleet.dev/model": "churn"]],
                            ],
                            "target": ["type": "AverageValue", "averageValue": "4"],
                        ],
                    ]
                ],
                "behavior": ["scaleDown": ["stabilizationWindowSeconds": 300]],
            ],
            at: "hpa"
        )
        return context
    }()

    /// The full context without what the HPA can do without.
    static let plainHPA: JSONValue = {
        var context = full
        context.set(.null, at: "hpa", "behavior")
        return context
    }()
}
