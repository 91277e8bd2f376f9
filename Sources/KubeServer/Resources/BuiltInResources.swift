// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The kinds that the server has without any custom resource definition.
enum BuiltInResources {
    /// All of them, in the order of groups and names that discovery uses.
    static let all: [APIResource] = core + apps + others

    private static let core: [APIResource] = [
        make(ResourceType.configMaps, short: ["cm"]),
        make(
            ResourceType.events,
            short: ["ev"],
            fields: [
                "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
                "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
                "reportingComponent", "source", "type",
            ]
        ),
        {
            var resource = make(
                ResourceType.namespaces,
                short: ["ns"],
                hasStatus: true,
                fields: ["status.phase"]
            )
            resource.verbs.removeAll { $0 == "deletecollection" }
            resource.nameRule = .label
            resource.subresources = [.init(name: "finalize", kind: "Namespace", verbs: ["update"])]
            return resource
        }(),
        make(ResourceType.nodes, short: ["no"], hasStatus: true, fields: ["spec.unschedulable"]),
        {
            var resource = make(
                ResourceType.pods,
                short: ["po"],
                categories: ["all"],
                hasStatus: true,
                tracksGeneration: true,
                fields: [
                    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
                    "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
                ]
            )
            resource.subresources = [
                .init(name: "log", kind: "Pod", verbs: ["get"]),
                .init(name: "eviction", kind: "Eviction", group: "policy", version: "v1", verbs: ["create"]),
            ]
            resource.returnsDeletedObject = true
            return resource
        }(),
        make(ResourceType.secrets, fields: ["type"]),
        {
            var resource = make(ResourceType.serviceAccounts, short: ["sa"])
            resource.returnsDeletedObject = true
            return resource
        }(),
        {
            var resource = make(
                ResourceType.services,
                short: ["svc"],
                categories: ["all"],
                hasStatus: true,
                fields: ["spec.clusterIP", "spec.type"]
            )
            resource.nameRule = .letterFirst
            resource.returnsDeletedObject = true
            return resource
        }(),
    ]

    private static let replicas = APIResource.Scale(
        specPath: ["spec", "replicas"],
        statusPath: ["status", "replicas"],
        selectorPath: ["spec", "selector"]
    )

    private static let apps: [APIResource] = [
        make(
            ResourceType.deployments,
            short: ["deploy"],
            categories: ["all"],
            hasStatus: true,
            tracksGeneration: true,
            scale: replicas
        ),
        make(
            ResourceType.replicaSets,
            short: ["rs"],
            categories: ["all"],
            hasStatus: true,
            tracksGeneration: true,
            scale: replicas,
            fields: ["status.replicas"]
        ),
        make(
            ResourceType(
                group: "apps",
                version: "v1",
                kind: "ControllerRevision",
                plural: "controllerrevisions",
                isNamespaced: true
            )
        ),
    ]

    private static let others: [APIResource] = [
        make(
            ResourceType(
                group: "events.k8s.io",
                version: "v1",
                kind: "Event",
                plural: "events",
                isNamespaced: true
            ),
            short: ["ev"],
            storage: StoredKind(group: "", plural: "events")
        ),
        make(
            ResourceType.horizontalPodAutoscalers,
            short: ["hpa"],
            categories: ["all"],
            hasStatus: true
        ),
        make(
            ResourceType(
                group: "autoscaling",
                version: "v1",
                kind: "HorizontalPodAutoscaler",
                plural: "horizontalpodautoscalers",
                isNamespaced: true
            ),
            short: ["hpa"],
            categories: ["all"],
            hasStatus: true,
            storage: StoredKind(group: "autoscaling", plural: "horizontalpodautoscalers")
        ),
        make(
            ResourceType(
                group: "policy",
                version: "v1",
                kind: "PodDisruptionBudget",
                plural: "poddisruptionbudgets",
                isNamespaced: true
            ),
            short: ["pdb"],
            hasStatus: true,
            tracksGeneration: true
        ),
        make(
            ResourceType.customResourceDefinitions,
            short: ["crd", "crds"],
            categories: ["api-extensions"],
            hasStatus: true,
            tracksGeneration: true
        ),
        make(ResourceType.apiServices, categories: ["api-extensions"], hasStatus: true),
        make(ResourceType.leases),
        make(ResourceType.endpointSlices, tracksGeneration: true),
        review("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews"),
        review("authentication.k8s.io", "TokenReview", "tokenreviews"),
        review("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews"),
        review("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        review("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    ]

    private static func make(
        _ type: ResourceType,
        short: [String] = [],
        categories: [String] = [],
        hasStatus: Bool = false,
        tracksGeneration: Bool = false,
        scale: APIResource.Scale? = nil,
        fields: [String] = [],
        storage: StoredKind? = nil
    ) -> APIResource {
        APIResource(
            type: type,
            storage: storage ?? StoredKind(group: type.group, plural: type.plural),
            singular: type.kind.lowercased(),
            listKind: type.kind + "List",
            shortNames: short,
            categories: categories,
            hasStatus: hasStatus,
            scale: scale,
            tracksGeneration: tracksGeneration,
            selectableFields: fields
        )
    }

    private static func review(_ group: String, _ kind: String, _ plural: String) -> APIResource {
        var resource = make(
            ResourceType(group: group, version: "v1", kind: kind, plural: plural, isNamespaced: false)
        )
        resource.verbs = ["create"]
        return resource
    }
}
