// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Objects that the contract writes.
enum ContractObjects {
    /// A config map with one entry.
    static func configMap(_ name: String, in namespace: String, data: [String: String] = ["a": "1"]) -> KubeObject {
        var object = KubeObject(.configMaps, namespace: namespace, name: name)
        object["data"] = JSONValue(data)
        return object
    }

    /// A deployment of an image that no node has; it exists for its objects, not for its processes.
    static func deployment(_ name: String, in namespace: String, replicas: Int? = 2) -> KubeObject {
        var object = KubeObject(.deployments, namespace: namespace, name: name)
        if let replicas { object["spec", "replicas"] = JSONValue(replicas) }
        object["spec", "selector"] = ["matchLabels": ["app": .string(name)]]
        object["spec", "template"] = [
            "metadata": ["labels": ["app": .string(name)]],
            "spec": ["containers": [["name": "main", "image": "contract.example/none:1"]]],
        ]
        return object
    }

    /// The type of the kind that `widgetDefinition` defines.
    static let widgets = ResourceType(
        group: "contract.modelfleet.dev",
        version: "v1",
        kind: "Widget",
        plural: "widgets",
        isNamespaced: true
    )

    /// A definition with every part that ours use: defaults, bounds, subresources, columns, lists by key.
    static var widgetDefinition: KubeObject {
        var object = KubeObject(
            .customResourceDefinitions,
            namespace: nil,
            name: "\(widgets.plural).\(widgets.group)"
        )
        object["spec"] = [
            "group": .string(widgets.group), "scope": "Namespaced",
            "names": ["kind": "Widget", "plural": "widgets", "singular": "widget", "shortNames": ["wd"]],
            "versions": [
                [
                    "name": "v1", "served": true, "storage": true,
                    "subresources": [
                        "status": [:],
                        "scale": [
                            "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        ],
                    ],
                    "additionalPrinterColumns": [
                        ["name": "Size", "type": "integer", "jsonPath": ".spec.size"],
                        ["name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"],
                    ],
                    "schema": ["openAPIV3Schema": widgetSchema],
                ]
            ],
        ]
        return object
    }

    private static var widgetSchema: JSONValue {
        [
            "type": "object",
            "properties": [
                "spec": [
                    "type": "object", "required": ["size"],
                    "properties": [
                        "size": ["type": "integer", "minimum": 1, "maximum": 10],
                        "mode": ["type": "string", "enum": ["Safe", "Fast"], "default": "Safe"],
                        "replicas": ["type": "integer", "format": "int32", "minimum": 0, "default": 1],
                        "note": ["type": "string", "maxLength": 20],
                        "ports": [
                            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                            "items": [
                                "type": "object", "required": ["name"],
                                "properties": ["name": ["type": "string"], "port": ["type": "integer"]],
                            ],
                        ],
                    ],
                ],
                "status": [
                    "type": "object",
                    "properties": [
                        "replicas": ["type": "integer"], "selector": ["type": "string"], "phase": ["type": "string"],
                    ],
                ],
            ],
        ]
    }

    /// A widget.
    static func widget(_ name: String, in namespace: String, spec: JSONValue = ["size": 3]) -> KubeObject {
        var object = KubeObject(widgets, namespace: namespace, name: name)
        object["spec"] = spec
        return object
    }
}
