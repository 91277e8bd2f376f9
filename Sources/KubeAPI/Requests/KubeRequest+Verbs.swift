// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
public import KubeModel

extension KubeRequest {
    /// Reads one object.
    public static func get(_ type: ResourceType, _ key: ObjectKey, subresource: String? = nil) -> KubeRequest {
        KubeRequest(
            verb: "get",
            method: .get,
            path: type.path(key, subresource: subresource),
            resource: type.qualifiedName,
            key: key
        )
    }

    /// Reads one page of a list.
    public static func list(
        _ type: ResourceType,
        namespace: String?,
        options: ListOptions,
        continueToken: String? = nil
    ) -> KubeRequest {
        KubeRequest(
            verb: "list",
            method: .get,
            path: type.path(namespace: namespace),
            query: options.query(continueToken: continueToken),
            resource: type.qualifiedName
        )
    }

    /// Watches a collection.
    public static func watch(_ type: ResourceType, namespace: String?, options: WatchOptions) -> KubeRequest {
        KubeRequest(
            verb: "watch",
            method: .get,
            path: type.path(namespace: namespace),
            query: options.query(),
            resource: type.qualifiedName
        )
    }

    /// Creates an object.
    public static func create(
        _ type: ResourceType,
        _ object: KubeObject,
        subresource: String? = nil,
        fieldManager: String,
        options: WriteOptions = WriteOptions()
    ) -> KubeRequest {
        let path =
            subresource.map { type.path(object.key, subresource: $0) } ?? type.path(namespace: object.namespace)
        return KubeRequest(
            verb: "create",
            method: .post,
            path: path,
            query: options.query(fieldManager: fieldManager),
            contentType: "application/json",
            body: object.json,
            resource: type.qualifiedName,
            key: object.key
        )
    }

    /// Replaces an object; with a `resourceVersion` in it only that version.
    public static func replace(
        _ type: ResourceType,
        _ object: KubeObject,
        subresource: String? = nil,
        fieldManager: String,
        options: WriteOptions = WriteOptions()
    ) -> KubeRequest {
        KubeRequest(
            verb: "update",
            method: .put,
            path: type.path(object.key, subresource: subresource),
            query: options.query(fieldManager: fieldManager),
            contentType: "application/json",
            body: object.json,
            resource: type.qualifiedName,
            key: object.key
        )
    }

    /// Patches an object.
    public static func patch(
        _ type: ResourceType,
        _ key: ObjectKey,
        _ patch: PatchBody,
        subresource: String? = nil,
        fieldManager: String,
        options: WriteOptions = WriteOptions()
    ) -> KubeRequest {
        KubeRequest(
            verb: "patch",
            method: .patch,
            path: type.path(key, subresource: subresource),
            query: options.query(fieldManager: fieldManager),
            contentType: patch.contentType,
            body: patch.json,
            resource: type.qualifiedName,
            key: key
        )
    }

    /// Applies an object on the server's side (JSON is YAML).
    public static func apply(
        _ type: ResourceType,
        _ object: KubeObject,
        subresource: String? = nil,
        force: Bool,
        fieldManager: String,
        options: WriteOptions = WriteOptions()
    ) -> KubeRequest {
        KubeRequest(
            verb: "apply",
            method: .patch,
            path: type.path(object.key, subresource: subresource),
            query: options.query(fieldManager: fieldManager, force: force),
            contentType: "application/apply-patch+yaml",
            body: object.json,
            resource: type.qualifiedName,
            key: object.key
        )
    }

    /// Deletes an object.
    public static func delete(_ type: ResourceType, _ key: ObjectKey, options: DeleteOptions) -> KubeRequest {
        KubeRequest(
            verb: "delete",
            method: .delete,
            path: type.path(key),
            contentType: "application/json",
            body: options.json,
            resource: type.qualifiedName,
            key: key
        )
    }
}
