// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel
internal import Synchronization

/// The objects of one resource as a watcher last saw them.
///
/// Reading takes a lock for the time of a dictionary look-up and never waits for the network. What is read is a value:
/// it doesn't change while it is looked at. Looking up by key, owner, namespace or an indexed label costs no more than
/// the objects that are found.
public final class ObjectStore: Sendable {
    /// How objects are kept.
    public enum Form: Sendable {
        /// As trees that are ready to read: quick, and about ten times the size of the JSON text.
        case whole
        /// As bytes, packed against what the objects have in common: small, and read anew at every look.
        case packed
    }

    struct Slot: Sendable {
        var object: StoredObject
        /// The number of the list that showed it last.
        var epoch: UInt32
    }

    struct ListState: Sendable {
        /// How often it was begun.
        var epoch: UInt32 = 0
        var hasEnded = false
    }

    struct State {
        var slots: [ObjectKey: Slot] = [:]
        var index = ObjectIndex()
        var dictionary = CompactDictionary()
        var revision: UInt64 = 0
        /// The lists that fill the store, by namespace; `nil` for the list of all.
        var lists: [String?: ListState] = [:]
        var isSynced = false
        var nextWaiter: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var cancelledEarly: Set<UInt64> = []
    }

    let state = Mutex(State())
    let form: Form
    let projection: ObjectProjection
    let rule: ObjectProjection.Rule
    private let indexedLabels: [String]

    /// An empty store.
    /// - Parameters:
    ///   - projection: what is kept of each object.
    ///   - indexedLabels: the labels that objects are looked up by.
    public init(
        _ form: Form = .whole,
        projection: ObjectProjection = .withoutManagedFields,
        indexing indexedLabels: [String] = []
    ) {
        self.form = form
        self.projection = projection
        rule = projection.ruleWithoutVersion
        self.indexedLabels = indexedLabels
    }

    // MARK: Reading

    /// The object `key`.
    public func object(_ key: ObjectKey) -> KubeObject? { stored(key)?.object }

    /// The object `key` in the store's form.
    public func stored(_ key: ObjectKey) -> StoredObject? { state.withLock { $0.slots[key]?.object } }

    /// Whether there is an object `key`.
    public func contains(_ key: ObjectKey) -> Bool { stored(key) != nil }

    /// All objects, or those of one namespace, in the order of their keys.
    public func all(namespace: String? = nil) -> [KubeObject] { storedAll(namespace: namespace).map(\.object) }

    /// The keys of all objects, or of those of one namespace, in order.
    public func keys(namespace: String? = nil) -> [ObjectKey] {
        let keys = state.withLock { state in
            namespace.map { state.index.keys(.namespace($0)).filter { [namespace] in $0.namespace == namespace } }
                ?? Array(state.slots.keys)
        }
        return keys.sorted()
    }

    /// All objects, or those of one namespace, in the store's form and in the order of their keys.
    public func storedAll(namespace: String? = nil) -> [StoredObject] {
        guard let namespace else { return sorted(state.withLock { $0.slots.values.map(\.object) }) }
        return found(.namespace(namespace)) { $0.key.namespace == namespace }
    }

    /// The objects with an owner reference to `uid`, in the order of their keys; of each what `projection` keeps, the owner references
    /// among it.
    public func owned(byUID uid: String, keeping projection: ObjectProjection = .everything) -> [KubeObject] {
        found(.owner(uid: uid)).map { $0.object(keeping: projection) }
            .filter { $0.ownerReferences.contains { $0.uid == uid } }
    }

    /// The objects that `selector` means, in the order of their keys; quick where it asks for a value of an indexed label.
    public func matching(_ selector: LabelSelector, namespace: String? = nil) -> [KubeObject] {
        guard let exact = indexedRequirement(of: selector) else {
            return storedMatching(selector, namespace: namespace).map(\.object)
        }
        // Nearly all that an index finds is meant: it is read once, not first for its labels.
        return indexHits(exact, namespace: namespace).map(\.object).filter { selector.matches($0.labels) }
    }

    /// The objects that `selector` means, in the store's form and in the order of their keys.
    public func storedMatching(_ selector: LabelSelector, namespace: String? = nil) -> [StoredObject] {
        guard !selector.matchesNothing else { return [] }
        let candidates =
            indexedRequirement(of: selector).map { indexHits($0, namespace: namespace) }
            ?? storedAll(namespace: namespace)
        return candidates.filter { selector.matches($0.labels) }
    }

    /// The requirement of `selector` that an index answers; `nil` where there is none, or nothing can match.
    private func indexedRequirement(of selector: LabelSelector) -> LabelSelector.Requirement? {
        guard !selector.matchesNothing else { return nil }
        return selector.requirements.first { $0.comparison == .isIn && indexedLabels.contains($0.key) }
    }

    /// What the index finds for a requirement, in the order of the keys; some of it may not be meant.
    private func indexHits(_ exact: LabelSelector.Requirement, namespace: String?) -> [StoredObject] {
        sorted(
            exact.values.flatMap { value in
                found(.label(exact.key, value)) { namespace == nil || $0.key.namespace == namespace }
            }
        )
    }

    /// The revisions of the objects that may have an owner reference to `uid`, in no order that means anything; the same
    /// as long as none of them changes. Reads no object.
    public func revisions(ownedBy uid: String) -> [UInt64] { revisions(.owner(uid: uid)) }

    /// The revisions of the objects that may have this value of an indexed label; as `revisions(ownedBy:)`.
    public func revisions(label: String, _ value: String) -> [UInt64] { revisions(.label(label, value)) }

    private func revisions(_ facet: Facet) -> [UInt64] {
        let revisions = state.withLock { state in
            state.index.keys(facet).compactMap { state.slots[$0]?.object.revision }
        }
        return revisions.count < 2 ? revisions : revisions.sorted()
    }

    /// The number of objects.
    public var count: Int { state.withLock { $0.slots.count } }

    /// A number that changes with every change of what is kept.
    public var revision: UInt64 { state.withLock { $0.revision } }

    /// Whether the store has held the whole list once.
    public var isSynced: Bool { state.withLock { $0.isSynced } }

    private func found(
        _ facet: Facet,
        where isMeant: (StoredObject) -> Bool = { _ in true }
    ) -> [StoredObject] {
        let objects = state.withLock { state in
            state.index.keys(facet).compactMap { state.slots[$0]?.object }
        }
        return sorted(objects.filter(isMeant))
    }

    private func sorted(_ objects: [StoredObject]) -> [StoredObject] {
        objects.count < 2 ? objects : objects.sorted { $0.key < $1.key }
    }

    /// The facets of an object.
    func facets(of object: KubeObject) -> [Facet] { Facet.all(of: object, labels: indexedLabels) }
}
