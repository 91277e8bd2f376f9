// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel
internal import Synchronization

/// What became of one object.
public struct ObjectChange: Sendable, Hashable {
    /// Which object.
    public var key: ObjectKey
    /// What it was; `nil` when it is new.
    public var old: KubeObject?
    /// What it is; `nil` when it is gone.
    public var new: KubeObject?

    /// A change.
    public init(key: ObjectKey, old: KubeObject?, new: KubeObject?) {
        self.key = key
        self.old = old
        self.new = new
    }

    /// The newest state that is known, also of an object that is gone.
    public var latest: KubeObject? { new ?? old }
}

/// The objects of one resource as a watcher last saw them.
///
/// Reading takes a lock for the time of a dictionary look-up and never waits for the network. What is read is a value:
/// it doesn't change while it is looked at.
public final class ObjectStore: Sendable {
    struct State {
        var objects: [ObjectKey: KubeObject] = [:]
        var keysByOwner: [String: Set<ObjectKey>] = [:]
        var isSynced = false
        var nextWaiter: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var cancelledEarly: Set<UInt64> = []
    }

    let state = Mutex(State())
    private let transform: @Sendable (inout KubeObject) -> Void

    /// An empty store; `transform` may shrink each object before it is kept.
    public init(transform: @escaping @Sendable (inout KubeObject) -> Void = ObjectStore.dropManagedFields) {
        self.transform = transform
    }

    /// Drops `metadata.managedFields`, which is often half of an object and of no use to a controller.
    public static let dropManagedFields: @Sendable (inout KubeObject) -> Void = { object in
        object["metadata", "managedFields"] = nil
    }

    /// The object `key`.
    public func object(_ key: ObjectKey) -> KubeObject? { state.withLock { $0.objects[key] } }

    /// All objects, or those of one namespace, in the order of their keys.
    public func all(namespace: String? = nil) -> [KubeObject] {
        sorted(
            state.withLock { state in
                state.objects.values.filter { namespace == nil || $0.namespace == namespace }
            }
        )
    }

    /// The objects with an owner reference to `uid`, in the order of their keys.
    public func owned(byUID uid: String) -> [KubeObject] {
        sorted(
            state.withLock { state in
                (state.keysByOwner[uid] ?? []).compactMap { state.objects[$0] }
            }
        )
    }

    /// The objects that `selector` means, in the order of their keys.
    public func matching(_ selector: LabelSelector, namespace: String? = nil) -> [KubeObject] {
        all(namespace: namespace).filter { selector.matches($0.labels) }
    }

    /// The number of objects.
    public var count: Int { state.withLock { $0.objects.count } }

    /// Whether the store has held the whole list once.
    public var isSynced: Bool { state.withLock { $0.isSynced } }

    private func sorted(_ objects: [KubeObject]) -> [KubeObject] {
        objects.map { ($0.key, $0) }.sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// Makes the store hold exactly `objects`, and answers what that changed, in the order of keys.
    @discardableResult
    public func replaceAll(_ objects: [KubeObject]) -> [ObjectChange] {
        let objects = objects.map(transformed)
        let (changes, waiters) = state.withLock { state in
            var changes: [ObjectChange] = []
            var gone = Set(state.objects.keys)
            for object in objects {
                gone.remove(object.key)
                if let change = state.put(object) { changes.append(change) }
            }
            for key in gone { if let change = state.remove(key) { changes.append(change) } }
            state.isSynced = true
            let waiters = Array(state.waiters.values)
            state.waiters = [:]
            return (changes, waiters)
        }
        for waiter in waiters { waiter.resume() }
        return changes.sorted { $0.key < $1.key }
    }

    /// Keeps `object`; `nil` when nothing changed.
    @discardableResult
    public func put(_ object: KubeObject) -> ObjectChange? {
        let object = transformed(object)
        return state.withLock { $0.put(object) }
    }

    /// Forgets the object `key`; `nil` when it wasn't there.
    @discardableResult
    public func remove(_ key: ObjectKey) -> ObjectChange? { state.withLock { $0.remove(key) } }

    private func transformed(_ object: KubeObject) -> KubeObject {
        var object = object
        transform(&object)
        return object
    }
}

extension ObjectStore.State {
    mutating func put(_ object: KubeObject) -> ObjectChange? {
        let key = object.key
        let old = objects[key]
        guard old != object else { return nil }
        if let old { dropOwners(of: old, key) }
        objects[key] = object
        for owner in object.ownerReferences { keysByOwner[owner.uid, default: []].insert(key) }
        return ObjectChange(key: key, old: old, new: object)
    }

    mutating func remove(_ key: ObjectKey) -> ObjectChange? {
        guard let old = objects.removeValue(forKey: key) else { return nil }
        dropOwners(of: old, key)
        return ObjectChange(key: key, old: old, new: nil)
    }

    private mutating func dropOwners(of object: KubeObject, _ key: ObjectKey) {
        for owner in object.ownerReferences {
            keysByOwner[owner.uid]?.remove(key)
            if keysByOwner[owner.uid]?.isEmpty == true { keysByOwner[owner.uid] = nil }
        }
    }
}
