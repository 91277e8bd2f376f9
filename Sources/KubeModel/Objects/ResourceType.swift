// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A resource as the API names it: group, version, plural and kind.
public struct ResourceType: Sendable, Hashable, CustomStringConvertible {
    /// The API group; empty for the core group.
    public var group: String
    /// The version, as `v1`.
    public var version: String
    /// The kind, as `Deployment`.
    public var kind: String
    /// The plural in paths, as `deployments`.
    public var plural: String
    /// Whether objects live in a namespace.
    public var isNamespaced: Bool

    /// A resource type.
    public init(group: String, version: String, kind: String, plural: String, isNamespaced: Bool) {
        self.group = group
        self.version = version
        self.kind = kind
        self.plural = plural
        self.isNamespaced = isNamespaced
    }

    /// `group/version`, or the version alone in the core group.
    public var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

    /// `deployments.apps`, or the plural alone in the core group: how errors and `kubectl` name it.
    public var qualifiedName: String { group.isEmpty ? plural : "\(plural).\(group)" }

    /// The qualified name.
    public var description: String { qualifiedName }

    /// The path of the collection: `/apis/apps/v1/namespaces/shop/deployments`; all namespaces where `namespace` is `nil`.
    public func path(namespace: String?) -> String {
        let root = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        guard isNamespaced, let namespace else { return "\(root)/\(plural)" }
        return "\(root)/namespaces/\(namespace)/\(plural)"
    }

    /// The path of one object, with a subresource (`status`, `scale`) where given.
    public func path(_ key: ObjectKey, subresource: String? = nil) -> String {
        path(namespace: key.namespace) + "/" + key.name + (subresource.map { "/\($0)" } ?? "")
    }
}

extension ResourceType {
    /// Core pods.
    public static let pods = core("Pod", "pods")
    /// Core services.
    public static let services = core("Service", "services")
    /// Core config maps.
    public static let configMaps = core("ConfigMap", "configmaps")
    /// Core secrets.
    public static let secrets = core("Secret", "secrets")
    /// Core events.
    public static let events = core("Event", "events")
    /// Core service accounts.
    public static let serviceAccounts = core("ServiceAccount", "serviceaccounts")
    /// Core namespaces.
    public static let namespaces = core("Namespace", "namespaces", isNamespaced: false)
    /// Core nodes.
    public static let nodes = core("Node", "nodes", isNamespaced: false)
    /// Deployments.
    public static let deployments = apps("Deployment", "deployments")
    /// Replica sets.
    public static let replicaSets = apps("ReplicaSet", "replicasets")
    /// Endpoint slices.
    public static let endpointSlices = ResourceType(
        group: "discovery.k8s.io",
        version: "v1",
        kind: "EndpointSlice",
        plural: "endpointslices",
        isNamespaced: true
    )
    /// Leases.
    public static let leases = ResourceType(
        group: "coordination.k8s.io",
        version: "v1",
        kind: "Lease",
        plural: "leases",
        isNamespaced: true
    )
    /// Horizontal pod autoscalers.
    public static let horizontalPodAutoscalers = ResourceType(
        group: "autoscaling",
        version: "v2",
        kind: "HorizontalPodAutoscaler",
        plural: "horizontalpodautoscalers",
        isNamespaced: true
    )
    /// Custom resource definitions.
    public static let customResourceDefinitions = ResourceType(
        group: "apiextensions.k8s.io",
        version: "v1",
        kind: "CustomResourceDefinition",
        plural: "customresourcedefinitions",
        isNamespaced: false
    )

    /// API services: versions of groups that other servers answer for.
    public static let apiServices = ResourceType(
        group: "apiregistration.k8s.io",
        version: "v1",
        kind: "APIService",
        plural: "apiservices",
        isNamespaced: false
    )

    private static func core(_ kind: String, _ plural: String, isNamespaced: Bool = true) -> ResourceType {
        ResourceType(group: "", version: "v1", kind: kind, plural: plural, isNamespaced: isNamespaced)
    }

    private static func apps(_ kind: String, _ plural: String) -> ResourceType {
        ResourceType(group: "apps", version: "v1", kind: kind, plural: plural, isNamespaced: true)
    }
}
