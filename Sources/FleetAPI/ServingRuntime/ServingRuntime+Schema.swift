// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

extension ServingRuntime {
    private static let containerSchema = StructuralSchema.object(
        "The container. In texts, ${model.name}, ${model.uri}, ${model.format}, ${model.sha256} and ${model.version} "
            + "stand for the model's; a list item that is one reference without a value goes with the flag before it.",
        required: ["image"],
        [
            "image": .string("The server's image.", minLength: 1),
            "command": .list("The program; the image's own where it is missing.", of: .string("A word."), limit: 100),
            "args": .list("The program's arguments.", of: .string("An argument."), limit: 200),
            "env": .list("Environment variables, as in a pod.", of: .open("One variable."), limit: 200),
            "ports": .list(
                "Ports, as in a pod; the one for inference is called http.",
                of: .open("One port."),
                limit: 20
            ),
            "startupProbe": .open("The probe that says when the model is loaded, as in a pod."),
            "readinessProbe": .open("The probe that says whether the pod gets requests, as in a pod."),
            "livenessProbe": .open("The probe that says whether the pod has to be restarted, as in a pod."),
        ]
    )

    private static let drainSchema = StructuralSchema.object(
        "How a pod ends without losing a request. Its grace period is preStopSeconds + limitSeconds + 5 s.",
        [
            "preStopSeconds": .integer(
                "How long the pod goes on before its server gets SIGTERM, for servers that stop taking requests at once: "
                    + "a sleep before the stop, which clusters know from Kubernetes 1.30 on.",
                from: 0,
                to: 3600
            ),
            "limitSeconds": .integer(
                "How long the server may take to end after SIGTERM: the time that it goes on serving, and that of its "
                    + "slowest requests. 25 where it is missing.",
                from: 0,
                to: 86_400
            ),
        ]
    )

    /// The schema of the whole object.
    public static let schema = StructuralSchema.object(
        "How one family of model server is run: image, arguments, probes, formats and what its metrics mean.",
        required: ["spec"],
        [
            "spec": .object(
                "How the server is run.",
                required: ["supportedModelFormats", "container"],
                [
                    "supportedModelFormats": .list(
                        "The formats that the server can load.",
                        of: .object(
                            "One format.",
                            required: ["name"],
                            [
                                "name": .string("The format's name, as `onnx`.", minLength: 1, maxLength: 63),
                                "version": .string("The only version that is supported; all where it is missing."),
                                "autoSelect": {
                                    var schema = StructuralSchema(
                                        type: .boolean,
                                        description: "Whether models may get this runtime without naming it."
                                    )
                                    schema.defaultValue = false
                                    return schema
                                }(),
                                "priority": .integer(
                                    "Of several runtimes the one with the highest is chosen.",
                                    default: 0
                                ),
                            ]
                        ),
                        limit: 50
                    ),
                    "port": .integer("The port that answers inference requests.", from: 1, to: 65_535, default: 8080),
                    "container": containerSchema,
                    "drain": drainSchema,
                    "metrics": metricsSchema,
                ]
            )
        ]
    )

    /// The definition to install.
    public static var customResourceDefinition: KubeObject {
        let column = SharedSchema.column
        return SharedSchema.definition(
            .servingRuntimes,
            shortName: "srt",
            columns: [
                column("Formats", "string", ".spec.supportedModelFormats[*].name", "The formats it supports.", false),
                column("Image", "string", ".spec.container.image", "The server's image.", false),
                column("Age", "date", ".metadata.creationTimestamp", "The time since it was created.", false),
            ],
            subresources: [:],
            schema: schema
        )
    }
}
