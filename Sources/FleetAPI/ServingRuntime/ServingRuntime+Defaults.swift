// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

extension ServingRuntime {
    /// The runtime that comes with the operator: this package's own server, for ONNX models.
    public static var builtIn: KubeObject {
        KubeObject([
            "apiVersion": "modelfleet.dev/v1alpha1", "kind": "ServingRuntime",
            "metadata": [
                "name": "modelfleet-onnx",
                "labels": [
                    "app.kubernetes.io/name": "modelfleet-onnx", "app.kubernetes.io/part-of": "modelfleet",
                ],
            ],
            "spec": [
                "supportedModelFormats": [["name": "onnx", "autoSelect": true, "priority": 1]],
                "port": 8080, "container": container, "metrics": builtInMetrics,
            ],
        ])
    }

    private static var container: JSONValue {
        [
            "image": .string("modelfleet/server:\(FleetAPI.serverVersion)"),
            "args": [
                "--model-name", "${model.name}", "--model-uri", "${model.uri}", "--model-version", "${model.version}",
                "--model-sha256", "${model.sha256}", "--port", "8080",
            ],
            "ports": [["name": "http", "containerPort": 8080, "protocol": "TCP"]],
            // Ten minutes for a large model to load; asked each second, since most are small.
            "startupProbe": probe("/v2/health/ready", period: 1, failures: 600),
            "readinessProbe": probe("/v2/health/ready", period: 1, failures: 2),
            "livenessProbe": probe("/v2/health/live", period: 10, failures: 3),
        ]
    }

    private static func probe(_ path: String, period: Int, failures: Int) -> JSONValue {
        [
            "httpGet": ["path": .string(path), "port": "http"], "periodSeconds": JSONValue(period), "timeoutSeconds": 2,
            "failureThreshold": JSONValue(failures),
        ]
    }

    private static var builtInMetrics: JSONValue {
        [
            "path": "/metrics", "queueLength": ["name": "modelfleet_queue_length"],
            "inFlight": ["name": "modelfleet_requests_in_flight"],
            "latency": ["name": "modelfleet_request_duration_seconds", "unit": "Seconds"],
            "requests": ["name": "modelfleet_requests_total", "codeLabel": "code", "errorCodes": ["5"]],
            "outputs": ["name": "modelfleet_outputs_total", "categoryLabel": "class"],
        ]
    }
}
