// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes
public import KubeModel

extension KubeClient {
    /// Reads an object.
    public func get(
        _ type: ResourceType,
        _ key: ObjectKey,
        subresource: String? = nil
    ) async throws(KubeError) -> KubeObject {
        try await object(.get(type, key, subresource: subresource))
    }

    /// Reads an object; `nil` when it doesn't exist.
    public func find(_ type: ResourceType, _ key: ObjectKey) async throws(KubeError) -> KubeObject? {
        do {
            return try await get(type, key)
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    /// Reads a whole list, page by page, as one consistent state; in all namespaces where `namespace` is `nil`.
    ///
    /// Should the pages' token expire on the way (410), the list is read again, once, in one piece.
    public func list(
        _ type: ResourceType,
        namespace: String? = nil,
        options: ListOptions = ListOptions()
    ) async throws(KubeError) -> KubeList {
        var items: [KubeObject] = []
        var token: String?
        while true {
            let page: KubeList
            do {
                page = try await self.page(type, namespace: namespace, options: options, continueToken: token)
            } catch {
                guard error.isExpired, token != nil else { throw error }
                var whole = options
                whole.limit = nil
                return try await self.page(type, namespace: namespace, options: whole)
            }
            items += page.items
            token = page.continueToken
            if token == nil { return KubeList(items: items, resourceVersion: page.resourceVersion) }
        }
    }

    /// Reads one page of a list.
    public func page(
        _ type: ResourceType,
        namespace: String? = nil,
        options: ListOptions,
        continueToken: String? = nil
    ) async throws(KubeError) -> KubeList {
        let request = KubeRequest.list(type, namespace: namespace, options: options, continueToken: continueToken)
        return KubeList(try await send(request), of: type)
    }

    /// Creates an object.
    @discardableResult
    public func create(
        _ type: ResourceType,
        _ object: KubeObject,
        subresource: String? = nil,
        options: WriteOptions = WriteOptions()
    ) async throws(KubeError) -> KubeObject {
        try await self.object(
            .create(type, object, subresource: subresource, fieldManager: fieldManager, options: options)
        )
    }

    /// Replaces an object; a `resourceVersion` in it makes a concurrent change a conflict.
    @discardableResult
    public func replace(
        _ type: ResourceType,
        _ object: KubeObject,
        subresource: String? = nil,
        options: WriteOptions = WriteOptions()
    ) async throws(KubeError) -> KubeObject {
        try await self.object(
            .replace(type, object, subresource: subresource, fieldManager: fieldManager, options: options)
        )
    }

    /// Patches an object.
    @discardableResult
    public func patch(
        _ type: ResourceType,
        _ key: ObjectKey,
        _ patch: PatchBody,
        subresource: String? = nil,
        options: WriteOptions = WriteOptions()
    ) async throws(KubeError) -> KubeObject {
        try await object(
            .patch(type, key, patch, subresource: subresource, fieldManager: fieldManager, options: options)
        )
    }

    /// Applies the fields of `object` on the server's side; `force` takes fields over from their owners.
    @discardableResult
    public func apply(
        _ type: ResourceType,
        _ object: KubeObject,
        subresource: String? = nil,
        force: Bool = false,
        options: WriteOptions = WriteOptions()
    ) async throws(KubeError) -> KubeObject {
        try await self.object(
            .apply(type, object, subresource: subresource, force: force, fieldManager: fieldManager, options: options)
        )
    }

    /// Deletes an object; answers what the server said: the object while it ends, or a `Status`.
    @discardableResult
    public func delete(
        _ type: ResourceType,
        _ key: ObjectKey,
        options: DeleteOptions = DeleteOptions()
    ) async throws(KubeError) -> JSONValue {
        try await send(.delete(type, key, options: options))
    }

    /// The wanted replicas, through the scale subresource.
    public func replicas(of type: ResourceType, _ key: ObjectKey) async throws(KubeError) -> Int {
        let scale = try await get(type, key, subresource: "scale")
        return scale["spec", "replicas"]?.int ?? 0
    }

    /// Sets the wanted replicas, through the scale subresource; nothing else is touched.
    public func setReplicas(
        _ count: Int,
        of type: ResourceType,
        _ key: ObjectKey,
        resourceVersion: String? = nil
    ) async throws(KubeError) {
        var patch: JSONValue = ["spec": ["replicas": JSONValue(count)]]
        if let resourceVersion { patch["metadata"] = ["resourceVersion": .string(resourceVersion)] }
        try await self.patch(type, key, .merge(patch), subresource: "scale")
    }

    /// Sends any request: discovery, metrics, a CLI's `--raw`.
    public func raw(
        _ method: HTTPRequest.Method = .get,
        _ path: String,
        query: [QueryItem] = [],
        body: JSONValue? = nil,
        contentType: String = "application/json"
    ) async throws(KubeError) -> JSONValue {
        try await send(
            KubeRequest(
                verb: "\(method.rawValue.lowercased()) \(path)",
                method: method,
                path: path,
                query: query,
                contentType: body == nil ? nil : contentType,
                body: body
            )
        )
    }

    private func object(_ request: KubeRequest) async throws(KubeError) -> KubeObject {
        let json = try await send(request)
        guard case .object = json else {
            throw KubeError(.unreadable, request, "the answer of \(baseURL) isn't an object")
        }
        return KubeObject(json)
    }
}

/// A list with the version of the state that it shows.
public struct KubeList: Sendable, Hashable {
    /// The objects.
    public var items: [KubeObject]
    /// The objects that can't be read, where the list was read for the others.
    public var unreadable: [UnreadableObject] = []
    /// The version to watch from.
    public var resourceVersion: String
    /// What the next page is asked with; `nil` on the last.
    public var continueToken: String?

    /// A list.
    public init(items: [KubeObject], resourceVersion: String, continueToken: String? = nil) {
        self.items = items
        self.resourceVersion = resourceVersion
        self.continueToken = continueToken
    }

    /// Reads a list; items get the kind and version that the server leaves out.
    init(_ json: JSONValue, of type: ResourceType) {
        items = (json["items"]?.array ?? []).map { KubeObject($0.completed(as: type)) }
        resourceVersion = json.at("metadata", "resourceVersion")?.string ?? ""
        continueToken = json.at("metadata", "continue")?.string.flatMap { $0.isEmpty ? nil : $0 }
    }
}
