// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel
internal import Synchronization

extension ObjectStore {
    /// An object in the form that it will be kept in.
    struct Draft {
        let key: ObjectKey
        let resourceVersion: String
        let facets: [Facet]
        let content: StoredObject.Content
        /// The bytes before packing, for a better dictionary; empty in the whole form.
        let plain: [UInt8]
    }

    /// What a dictionary may miss: an object that doesn't shrink below this share teaches it.
    private static let poorShare = 0.5

    /// Says that a list of `namespace` (`nil` for all) will fill the store: it isn't synced before that has ended once.
    public func expectList(of namespace: String?) {
        state.withLock { state in
            if state.lists[namespace] == nil { state.lists[namespace] = ObjectStore.ListState() }
            state.isSynced = state.lists.values.allSatisfy(\.hasEnded)
        }
    }

    /// Begins to read a list anew; every object of it is `put`, then `finishList` drops those that it didn't show.
    ///
    /// Lists of different namespaces may be read at the same time.
    public func beginList(of namespace: String? = nil) {
        state.withLock { $0.lists[namespace, default: ObjectStore.ListState()].epoch &+= 1 }
    }

    /// Ends the list: drops what it didn't show, and answers those in the order of keys. The store is synced once all
    /// lists that are expected have ended.
    @discardableResult
    public func finishList(of namespace: String? = nil) -> [ObjectChange] {
        let (changes, waiters) = state.withLock { state in
            let epoch = state.lists[namespace]?.epoch ?? 0
            var gone: [ObjectKey] = []
            for (key, slot) in state.slots where slot.epoch != epoch && state.scope(of: key) == namespace {
                gone.append(key)
            }
            let changes = gone.sorted().compactMap { state.remove($0) }
            state.lists[namespace, default: ObjectStore.ListState()].hasEnded = true
            guard state.lists.values.allSatisfy(\.hasEnded) else {
                return (changes, [CheckedContinuation<Void, any Error>]())
            }
            state.isSynced = true
            let waiters = state.waiters.sorted { $0.key < $1.key }.map(\.value)
            state.waiters = [:]
            return (changes, waiters)
        }
        for waiter in waiters { waiter.resume() }
        return changes
    }

    /// Makes the store hold exactly `objects`, and answers what that changed, in the order of keys.
    @discardableResult
    public func replaceAll(_ objects: [KubeObject]) -> [ObjectChange] {
        beginList()
        let changes = objects.compactMap { put($0) } + finishList()
        return changes.sorted { $0.key < $1.key }
    }

    /// Keeps `object`; `nil` when nothing changed of what is kept.
    ///
    /// In the packed form a new resource version alone is no change: it is taken over silently.
    @discardableResult
    public func put(_ object: KubeObject) -> ObjectChange? {
        let draft = draft(object)
        return state.withLock { $0.put(draft) }
    }

    /// Says that the list that is being read has the object `key`, which stays as it is, or isn't kept.
    public func keep(_ key: ObjectKey) {
        state.withLock { state in
            let epoch = state.lists[state.scope(of: key)]?.epoch ?? 0
            state.slots[key]?.epoch = epoch
        }
    }

    /// Forgets the object `key`; `nil` when it wasn't there.
    @discardableResult
    public func remove(_ key: ObjectKey) -> ObjectChange? { state.withLock { $0.remove(key) } }

    /// Brings an object into the store's form, outside of the lock.
    private func draft(_ object: KubeObject) -> Draft {
        let version = object.resourceVersion ?? ""
        let facets = facets(of: object)
        switch form {
        case .whole:
            return Draft(
                key: object.key,
                resourceVersion: version,
                facets: facets,
                content: .whole(projection.apply(to: object)),
                plain: []
            )
        case .packed:
            let plain = CompactJSON.encode(object.json, keeping: rule)
            let dictionary = state.withLock { $0.dictionary }
            return Draft(
                key: object.key,
                resourceVersion: version,
                facets: facets,
                content: .packed(dictionary.pack(plain), dictionary),
                plain: plain
            )
        }
    }

    /// Whether an object shrank so little that a dictionary with it in it would serve its like better.
    fileprivate static func isPoor(packed: Int, plain: Int) -> Bool {
        plain >= 256 && Double(packed) > Double(plain) * poorShare
    }
}

extension ObjectStore.State {
    /// The namespace of the list that shows the object `key`; `nil` for the list of all.
    func scope(of key: ObjectKey) -> String? {
        guard let namespace = key.namespace, lists[namespace] != nil else { return nil }
        return namespace
    }

    /// Keeps a draft; `nil` when the content is what it was.
    mutating func put(_ draft: ObjectStore.Draft) -> ObjectChange? {
        let old = slots[draft.key]?.object
        let epoch = lists[scope(of: draft.key)]?.epoch ?? 0
        if let old, old.content.isSame(as: draft.content, plain: draft.plain) {
            var object = old
            if old.resourceVersion != draft.resourceVersion {
                object = StoredObject(
                    key: old.key,
                    resourceVersion: draft.resourceVersion,
                    revision: old.revision,
                    content: old.content,
                    facets: old.facets
                )
            }
            slots[draft.key] = ObjectStore.Slot(object: object, epoch: epoch)
            return nil
        }
        revision += 1
        let key = old?.key ?? draft.key
        let object = StoredObject(
            key: key,
            resourceVersion: draft.resourceVersion,
            revision: revision,
            content: draft.content,
            facets: draft.facets
        )
        if old?.facets != draft.facets {
            if let old { index.remove(key, old.facets) }
            index.insert(key, draft.facets)
        }
        slots[key] = ObjectStore.Slot(object: object, epoch: epoch)
        teach(draft)
        return ObjectChange(key: key, before: old, after: object)
    }

    /// Forgets an object.
    mutating func remove(_ key: ObjectKey) -> ObjectChange? {
        guard let old = slots.removeValue(forKey: key)?.object else { return nil }
        revision += 1
        index.remove(key, old.facets)
        return ObjectChange(key: key, before: old, after: nil)
    }

    /// Adds an object to the dictionary for those that come, when the dictionary has nothing like it yet.
    private mutating func teach(_ draft: ObjectStore.Draft) {
        guard case .packed(let bytes, let used) = draft.content, used === dictionary,
            ObjectStore.isPoor(packed: bytes.count, plain: draft.plain.count),
            dictionary.bytes.count + draft.plain.count <= CompactDictionary.limit
        else { return }
        dictionary = dictionary.adding(draft.plain)
    }
}

extension StoredObject.Content {
    /// Whether a draft with this content and these plain bytes says the same.
    func isSame(as draft: StoredObject.Content, plain: [UInt8]) -> Bool {
        switch (self, draft) {
        case (.whole(let old), .whole(let new)): return old == new
        case (.packed(let old, let dictionary), .packed(let new, let other)):
            // The same bytes pack alike with the same dictionary.
            return dictionary === other ? old == new : dictionary.unpack(old) == plain
        case (.whole, .packed), (.packed, .whole): return false
        }
    }
}
