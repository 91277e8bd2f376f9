// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// One resource in one version: what discovery says of it and how its objects are treated.
struct APIResource: Sendable {
    /// Where a scale subresource finds its numbers.
    struct Scale: Sendable {
        /// The path of the wanted replicas.
        var specPath: [String]
        /// The path of the actual replicas.
        var statusPath: [String]
        /// The path of the selector: a text in custom resources, a label selector in built-in kinds.
        var selectorPath: [String]?
    }

    /// What a name may look like.
    enum NameRule: Sendable {
        /// RFC 1123 subdomain, the usual rule.
        case subdomain
        /// RFC 1123 label: namespaces.
        case label
        /// RFC 1035 label: Services.
        case letterFirst
    }

    /// Group, version, kind, plural, scope.
    var type: ResourceType
    /// Where its objects are kept.
    var storage: StoredKind
    /// `deployment`
    var singular: String
    /// `DeploymentList`
    var listKind: String
    /// `deploy`
    var shortNames: [String] = []
    /// `all`
    var categories: [String] = []
    /// What can be done, as discovery lists it.
    var verbs: [String] = APIResource.allVerbs
    /// Whether `/status` exists and the status is written through it alone.
    var hasStatus = false
    /// The scale subresource.
    var scale: Scale?
    /// Further subresources with their kinds and verbs.
    var subresources: [Subresource] = []
    /// Whether `metadata.generation` counts changes.
    var tracksGeneration = false
    /// What a name may look like.
    var nameRule = NameRule.subdomain
    /// The version of a custom resource that this is; `nil` for built-in kinds.
    var custom: CustomVersion?
    /// Fields besides name and namespace that a field selector may name.
    var selectableFields: [String] = []
    /// Whether deleting answers with the deleted object instead of a success status.
    var returnsDeletedObject = false

    /// A further subresource.
    struct Subresource: Sendable {
        /// `log`
        var name: String
        /// The kind that it speaks.
        var kind: String
        /// The group of that kind, where it isn't the resource's.
        var group: String?
        /// The version of that kind, where it isn't the resource's.
        var version: String?
        /// `get`
        var verbs: [String]
    }

    /// The verbs of an ordinary built-in resource.
    static let allVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]

    /// Whether a custom resource definition made it.
    var isCustom: Bool { custom != nil }

    /// Whether objects can be stored at all; review kinds are answered and forgotten.
    var isStored: Bool { verbs.contains("list") }

    /// `metadata.name` and `metadata.namespace` and what else a selector may name.
    var knownFields: [String] {
        ["metadata.name"] + (type.isNamespaced ? ["metadata.namespace"] : []) + selectableFields
    }
}

/// One version of a custom resource.
struct CustomVersion: Sendable {
    /// The schema.
    var schema: StructuralSchema
    /// The printer columns.
    var columns: [JSONValue]
    /// Whether the definition is being deleted: there may be no new objects.
    var isTerminating = false
    /// The schema as patches and field management go by it; made once, as it is asked for with every write.
    let types: TypeSchema
    /// The schema's defaults, made once too.
    let defaults: SchemaDefaults

    /// A version with a schema and printer columns.
    init(schema: StructuralSchema, columns: [JSONValue]) {
        self.schema = schema
        self.columns = columns
        types = .custom(schema)
        defaults = SchemaDefaults(schema)
    }
}
