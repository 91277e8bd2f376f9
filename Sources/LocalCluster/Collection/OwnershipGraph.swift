// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import KubeRuntime
import Synchronization

/// Everything that the API server holds, by uid and by owner.
final class OwnershipGraph: Sendable {
    /// An object and its type.
    struct Node: Sendable, Hashable {
        /// The type.
        var type: ResourceType
        /// The object without its managed fields.
        var object: KubeObject
    }

    private struct State {
        var stores: [ResourceType: ObjectStore] = [:]
        var nodes: [String: (type: ResourceType, key: ObjectKey)] = [:]
    }

    private let state = Mutex(State())

    /// The store of a type; made at the first call.
    func store(for type: ResourceType) -> ObjectStore {
        state.withLock { state in
            if let store = state.stores[type] { return store }
            let store = ObjectStore()
            state.stores[type] = store
            return store
        }
    }

    /// Takes in that the server has a type no more, and answers the uids that have to be looked at.
    ///
    /// The type stays known, so that what its objects owned finds them gone; unless another version of its kind has taken over,
    /// whose objects they are now.
    func forget(_ type: ResourceType) -> [String] {
        let store = state.withLock { state -> ObjectStore? in
            let isReplaced = state.stores.keys.contains {
                $0 != type && $0.group == type.group && $0.kind == type.kind
            }
            guard isReplaced else { return state.stores[type] }
            state.stores[type] = nil
            return nil
        }
        guard let store else { return [] }
        return store.keys().compactMap { store.remove($0) }.flatMap { observe($0, type: type) }
    }

    /// The type that an owner reference names.
    func type(apiVersion: String, kind: String) -> ResourceType? {
        let group = apiVersion.contains("/") ? String(apiVersion.prefix { $0 != "/" }) : ""
        return state.withLock { $0.stores.keys.first { $0.kind == kind && $0.group == group } }
    }

    /// Takes in a change and answers the uids that have to be looked at.
    func observe(_ change: ObjectChange, type: ResourceType) -> [String] {
        guard let latest = change.latest, let uid = latest.uid else { return [] }
        var affected = Set((change.old?.ownerReferences ?? []).map(\.uid))
        affected.formUnion((change.new?.ownerReferences ?? []).map(\.uid))
        state.withLock { state in state.nodes[uid] = change.new == nil ? nil : (type, change.key) }
        if let old = change.old?.uid, old != uid {
            state.withLock { $0.nodes[old] = nil }
            affected.insert(old)
        }
        if change.new?.isBeingDeleted ?? true { affected.insert(uid) }
        return affected.sorted()
    }

    /// The object with a uid.
    func node(_ uid: String) -> Node? {
        let (place, store) = state.withLock { state in
            let place = state.nodes[uid]
            return (place, place.flatMap { state.stores[$0.type] })
        }
        guard let place, let object = store?.object(place.key), object.uid == uid else { return nil }
        return Node(type: place.type, object: object)
    }

    /// The objects that name `uid` as an owner.
    func dependents(of uid: String) -> [Node] {
        let stores = state.withLock { $0.stores }
        return stores.flatMap { type, store in store.owned(byUID: uid).map { Node(type: type, object: $0) } }
            .sorted { ($0.type.qualifiedName, $0.object.key) < ($1.type.qualifiedName, $1.object.key) }
    }
}
