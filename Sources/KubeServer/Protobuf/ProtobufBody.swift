// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Bodies in `application/vnd.kubernetes.protobuf`, which `kubectl create` and `kubectl auth can-i` send.
///
/// Only the kinds and fields that those commands use are known; anything else is refused, never dropped. Field numbers
/// are those of the `generated.proto` files of k8s.io/api and k8s.io/apimachinery.
enum ProtobufBody {
    /// The media type.
    static let mediaType = "application/vnd.kubernetes.protobuf"

    private static let magic: [UInt8] = Array("k8s\u{0}".utf8)

    /// The object in a body; 415 when it can't be read.
    static func json(_ bytes: [UInt8]) throws(APIStatus) -> JSONValue {
        guard bytes.starts(with: magic) else { throw refused("it doesn't start as Kubernetes writes it") }
        do {
            let envelope = try unknown.json(.bytes(bytes[magic.count...]))
            let kind = envelope.at("typeMeta", "kind")?.string ?? ""
            let version = envelope.at("typeMeta", "apiVersion")?.string ?? ""
            guard let shape = kinds[kind] ?? versioned["\(version) \(kind)"] else {
                throw ProtobufError("the kind \(kind) is known as JSON only")
            }
            var json = try shape.json(.bytes(raw(bytes[magic.count...])))
            json["kind"] = .string(kind)
            json["apiVersion"] = envelope.at("typeMeta", "apiVersion")
            return json
        } catch let error as ProtobufError {
            throw refused(error.message)
        } catch {
            throw refused("\(error)")
        }
    }

    private static func refused(_ why: String) -> APIStatus {
        var status = APIStatus.unsupportedMediaType(accepted: ["application/json", "application/yaml"])
        status.message += "; the protobuf body was refused: \(why)"
        return status
    }

    /// The bytes of the object inside the envelope.
    private static func raw(_ bytes: ArraySlice<UInt8>) throws(ProtobufError) -> ArraySlice<UInt8> {
        var reader = ProtobufReader(bytes)
        while let (number, field) = try reader.next() {
            if number == 2, case .bytes(let raw) = field { return raw }
        }
        return []
    }

    private static let unknown = ProtobufShape.message([
        1: .init("typeMeta", .message([1: .init("apiVersion", .text), 2: .init("kind", .text)])),
        2: .init("raw", .bytes), 3: .init("contentEncoding", .text), 4: .init("contentType", .text),
    ])

    private static let metadata = ProtobufShape.Member(
        "metadata",
        .message([
            1: .init("name", .text), 2: .init("generateName", .text), 3: .init("namespace", .text),
            5: .init("uid", .text), 6: .init("resourceVersion", .text), 11: .init("labels", .text, .map),
            12: .init("annotations", .text, .map), 14: .init("finalizers", .text, .list),
        ])
    )

    private static let kinds: [String: ProtobufShape] = [
        "ConfigMap": .message([
            1: metadata, 2: .init("data", .text, .map), 3: .init("binaryData", .bytes, .map),
            4: .init("immutable", .boolean, .optional),
        ]),
        "Secret": .message([
            1: metadata, 2: .init("data", .bytes, .map), 3: .init("type", .text),
            4: .init("stringData", .text, .map), 5: .init("immutable", .boolean, .optional),
        ]),
        "Namespace": .message([
            1: metadata, 2: .init("spec", .message([1: .init("finalizers", .text, .list)])),
        ]),
        "ServiceAccount": .message([1: metadata, 4: .init("automountServiceAccountToken", .boolean, .optional)]),
        "SelfSubjectAccessReview": .message([1: metadata, 2: .init("spec", accessReview)]),
        "SelfSubjectRulesReview": .message([1: metadata, 2: .init("spec", .message([1: .init("namespace", .text)]))]),
        "SelfSubjectReview": .message([1: metadata]),
        "Service": .message([1: metadata, 2: .init("spec", service)]),
        "Deployment": .message([1: metadata, 2: .init("spec", deployment)]),
        "PodDisruptionBudget": .message([
            1: metadata,
            2: .init(
                "spec",
                .message([
                    1: .init("minAvailable", .integerOrText, .optional), 2: .init("selector", labelSelector),
                    3: .init("maxUnavailable", .integerOrText, .optional),
                    4: .init("unhealthyPodEvictionPolicy", .text, .optional),
                ])
            ),
        ]),
    ]

    /// Kinds whose versions are written differently.
    private static let versioned: [String: ProtobufShape] = [
        "autoscaling/v1 HorizontalPodAutoscaler": .message([
            1: metadata,
            2: .init(
                "spec",
                .message([
                    1: .init(
                        "scaleTargetRef",
                        .message([1: .init("kind", .text), 2: .init("name", .text), 3: .init("apiVersion", .text)])
                    ),
                    2: .init("minReplicas", .integer, .optional), 3: .init("maxReplicas", .integer),
                    4: .init("targetCPUUtilizationPercentage", .integer, .optional),
                ])
            ),
            3: .init(
                "status",
                .message([3: .init("currentReplicas", .integer), 4: .init("desiredReplicas", .integer)])
            ),
        ])
    ]

    private static let accessReview = ProtobufShape.message([
        1: .init(
            "resourceAttributes",
            .message([
                1: .init("namespace", .text), 2: .init("verb", .text), 3: .init("group", .text),
                4: .init("version", .text), 5: .init("resource", .text), 6: .init("subresource", .text),
                7: .init("name", .text),
            ])
        ),
        2: .init("nonResourceAttributes", .message([1: .init("path", .text), 2: .init("verb", .text)])),
    ])

    private static let service = ProtobufShape.message([
        1: .init(
            "ports",
            .message([
                1: .init("name", .text), 2: .init("protocol", .text), 3: .init("port", .integer),
                4: .init("targetPort", .integerOrText), 5: .init("nodePort", .integer),
            ]),
            .list
        ),
        2: .init("selector", .text, .map), 3: .init("clusterIP", .text), 4: .init("type", .text),
        7: .init("sessionAffinity", .text), 10: .init("externalName", .text),
    ])

    private static let labelSelector = ProtobufShape.message([
        1: .init("matchLabels", .text, .map),
        2: .init(
            "matchExpressions",
            .message([1: .init("key", .text), 2: .init("operator", .text), 3: .init("values", .text, .list)]),
            .list
        ),
    ])

    private static let deployment = ProtobufShape.message([
        1: .init("replicas", .integer, .optional),
        2: .init("selector", labelSelector),
        3: .init("template", .message([1: metadata, 2: .init("spec", podSpec)])),
        4: .init("strategy", .message([1: .init("type", .text)])), 5: .init("minReadySeconds", .integer),
        6: .init("revisionHistoryLimit", .integer, .optional), 7: .init("paused", .boolean),
        9: .init("progressDeadlineSeconds", .integer, .optional),
    ])

    private static let podSpec = ProtobufShape.message([
        2: .init(
            "containers",
            .message([
                1: .init("name", .text), 2: .init("image", .text), 3: .init("command", .text, .list),
                4: .init("args", .text, .list), 5: .init("workingDir", .text),
                6: .init(
                    "ports",
                    .message([
                        1: .init("name", .text), 2: .init("hostPort", .integer), 3: .init("containerPort", .integer),
                        4: .init("protocol", .text), 5: .init("hostIP", .text),
                    ]),
                    .list
                ),
                7: .init("env", .message([1: .init("name", .text), 2: .init("value", .text)]), .list),
                8: .init(
                    "resources",
                    .message([1: .init("limits", .wrappedText, .map), 2: .init("requests", .wrappedText, .map)])
                ),
                14: .init("imagePullPolicy", .text),
            ]),
            .list
        ),
        3: .init("restartPolicy", .text), 4: .init("terminationGracePeriodSeconds", .integer, .optional),
        7: .init("nodeSelector", .text, .map), 8: .init("serviceAccountName", .text), 10: .init("nodeName", .text),
    ])
}
