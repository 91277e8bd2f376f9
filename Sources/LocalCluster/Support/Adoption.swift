// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel
import KubeRuntime

/// Who belongs to an owner by its selector: objects without a controller that match are taken in, own ones that no longer
/// match are let go (as controllers do it for replica sets and pods).
struct Adoption: Sendable {
    /// The objects to take in.
    private(set) var adopted: [KubeObject] = []
    /// The objects to let go.
    private(set) var released: [KubeObject] = []
    private let owner: KubeObject

    /// Decides for `owner` among the objects of its namespace.
    init(owner: KubeObject, among objects: [KubeObject]) {
        self.owner = owner
        guard !owner.isBeingDeleted, let uid = owner.uid, let json = owner["spec", "selector"],
            let selector = try? LabelSelector(json), !selector.isEmpty, !selector.matchesNothing
        else { return }
        for object in objects where !object.isBeingDeleted {
            let matches = selector.matches(object.labels)
            switch object.controller?.uid {
            case .none: if matches { adopted.append(object) }
            case .some(uid): if !matches { released.append(object) }
            default: break
            }
        }
    }

    /// Who may take in an object without a controller that is new, or whose labels or controller changed.
    static func owners(for change: ObjectChange, in store: ObjectStore) -> [ObjectKey] {
        guard let object = change.new, object.controller == nil, !object.isBeingDeleted else { return [] }
        if let old = change.old, old.labels == object.labels, old.controller == nil { return [] }
        return store.all(namespace: change.key.namespace).filter { owner in
            guard let selector = try? LabelSelector(owner["spec", "selector"] ?? .null) else { return false }
            return !selector.isEmpty && selector.matches(object.labels)
        }.map(\.key)
    }

    /// Writes it; false when there is nothing to write.
    ///
    /// The server itself is asked whether the owner still lives: a cache may be late, and an orphan must stay one.
    func perform(_ client: KubeClient, _ type: ResourceType, ownerType: ResourceType) async throws -> Bool {
        guard !adopted.isEmpty || !released.isEmpty, let reference = OwnerReference(controller: owner) else {
            return false
        }
        guard let current = try await client.find(ownerType, owner.key), current.uid == owner.uid,
            !current.isBeingDeleted
        else { return false }
        for object in adopted { try await write(client, type, object, object.ownerReferences + [reference]) }
        for object in released {
            try await write(client, type, object, object.ownerReferences.filter { $0.uid != owner.uid })
        }
        return true
    }

    private func write(
        _ client: KubeClient,
        _ type: ResourceType,
        _ object: KubeObject,
        _ references: [OwnerReference]
    ) async throws {
        var metadata: JSONValue = ["ownerReferences": references.isEmpty ? .null : .array(references.map(\.json))]
        metadata["resourceVersion"] = JSONValue(object.resourceVersion)
        try await client.mergeIfPresent(type, object, ["metadata": metadata])
    }
}
