// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// A built-in resource in an OpenAPI document.
public struct OpenAPIResource: Sendable {
    /// The resource.
    public var type: ResourceType
    /// What can be done with it: `get`, `list`, `create`, `update`, `patch`, `delete`, `deletecollection`, `watch`.
    public var verbs: [String]
    /// Its subresources: `status`, `scale`.
    public var subresources: [String]

    /// A resource.
    public init(type: ResourceType, verbs: [String], subresources: [String] = []) {
        self.type = type
        self.verbs = verbs
        self.subresources = subresources
    }
}

/// A custom resource in an OpenAPI document.
public struct OpenAPICustomResource: Sendable {
    /// The resource.
    public var type: ResourceType
    /// Its schema; `nil` for one that keeps everything.
    public var schema: StructuralSchema?
    /// What can be done with it.
    public var verbs: [String]
    /// Its subresources.
    public var subresources: [String]

    /// A custom resource.
    public init(type: ResourceType, schema: StructuralSchema?, verbs: [String], subresources: [String] = []) {
        self.type = type
        self.schema = schema
        self.verbs = verbs
        self.subresources = subresources
    }

    /// The name of its schema: the group's labels in reverse, the version, the kind.
    var schemaName: String {
        (type.group.split(separator: ".").reversed().map(String.init) + [type.version, type.kind])
            .joined(separator: ".")
    }
}
