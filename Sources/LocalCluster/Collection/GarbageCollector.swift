// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime
import Logging
import ServiceLifecycle
import Synchronization

/// Deletes what belongs to owners that are gone: in the background, before the owner, or not at all.
final class GarbageCollector: Service, Reconciler {
    /// When to look again at an owner that the server has and the graph doesn't show yet.
    static let unseenDelay = Duration.seconds(5)

    /// Everything that the API server holds.
    let graph = OwnershipGraph()
    private let client: KubeClient
    private let time: any TimeSource
    private let random: any RandomSource
    private let logger: Logger
    private let queue: WorkQueue
    private let rediscover = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    /// The types that are watched, each with what ends its watch.
    private let watches = Mutex<[ResourceType: AsyncStream<Void>.Continuation]>([:])

    /// A collector that works through `client`.
    init(client: KubeClient, time: any TimeSource, random: any RandomSource, logger: Logger) {
        self.client = client
        self.time = time
        self.random = random
        self.logger = logger
        queue = WorkQueue(
            backoff: Backoff(initial: .milliseconds(50), maximum: .seconds(30)),
            time: time,
            random: random
        )
    }

    /// Asks for another look at which types there are: a custom resource definition changed.
    func typesChanged() { rediscover.continuation.yield() }

    /// The types that are watched.
    var watchedTypes: Set<ResourceType> { watches.withLock { Set($0.keys) } }

    /// Watches every type and collects until cancelled.
    func run() async throws {
        let controller = Controller(
            name: "garbage-collector",
            reconciler: self,
            workers: 2,
            queue: queue,
            time: time,
            logger: logger
        )
        typesChanged()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await controller.run() }
            await withGracefulShutdownHandler {
                for await _ in rediscover.stream { await discover(into: &group) }
            } onGracefulShutdown: { [rediscover] in
                rediscover.continuation.finish()
            }
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// Begins to watch the types that are new, and ends the watches of those that the server has no more.
    private func discover(into group: inout ThrowingTaskGroup<Void, any Error>) async {
        do {
            let found = try await APIDiscovery(client: client).findings()
            for type in found.types {
                let (gone, end) = AsyncStream.makeStream(of: Void.self)
                let isNew = watches.withLock { watches in
                    guard watches[type] == nil else { return false }
                    watches[type] = end
                    return true
                }
                guard isNew else { continue }
                let store = graph.store(for: type)
                group.addTask { try await self.watch(type, into: store, until: gone) }
            }
            for (type, end) in watches.withLock({ $0 }) where !found.types.contains(type) {
                if !found.absentGroups.contains(type.group) { end.finish() }
            }
        } catch {
            logger.warning("cannot discover the API's types; will try again", metadata: ["error": "\(error)"])
            try? await time.sleep(for: .seconds(1))
            typesChanged()
        }
    }

    /// Watches a type until the stream ends, since the server has it no more.
    private func watch(_ type: ResourceType, into store: ObjectStore, until gone: AsyncStream<Void>) async throws {
        let watcher = Watcher(
            client: client,
            type: type,
            store: store,
            time: time,
            random: random,
            logger: logger
        ) { [self] change in
            // An APIService says in its status when its server comes back.
            if type == .customResourceDefinitions || type == .apiServices { typesChanged() }
            enqueue(graph.observe(change, type: type))
        }
        let isGone = try await withThrowingTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                try await watcher.run()
                return false
            }
            group.addTask {
                for await _ in gone {}
                return !Task.isCancelled
            }
            return try await group.next() ?? false
        }
        guard isGone else { return }
        enqueue(graph.forget(type))
        watches.withLock { $0[type] = nil }
        // It may have come back in between.
        typesChanged()
    }

    private func enqueue(_ uids: [String]) { for uid in uids { queue.add(ObjectKey(namespace: nil, name: uid)) } }

    /// Looks at the owner whose uid is the key's name.
    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        let uid = key.name
        let owner = graph.node(uid)
        let dependents = graph.dependents(of: uid)
        switch CollectionPlan(owner: owner?.object) {
        case .keep: break
        case .collect:
            var isUnseen = false
            for dependent in dependents where try await !collect(dependent, owner: uid) { isUnseen = true }
            // Should it go before its watch shows it, nothing would tell.
            if isUnseen { return .requeue(after: Self.unseenDelay) }
        case .releaseDependents:
            for dependent in dependents { try await release(dependent, owner: uid) }
            if let owner, dependents.isEmpty { try await removeFinalizer(CollectionPlan.orphan, from: owner) }
        case .deleteDependentsFirst:
            for dependent in dependents where !dependent.object.isBeingDeleted && !isMisplaced(dependent) {
                try await leave(dependent, without: uid, propagation: .foreground)
            }
            let blocking = dependents.filter { dependent in
                dependent.object.ownerReferences.contains { $0.uid == uid && $0.blocksOwnerDeletion }
            }
            if let owner, blocking.isEmpty { try await removeFinalizer(CollectionPlan.foreground, from: owner) }
        }
        return .awaitChange
    }

    /// Deletes a dependent that has no other owner left, else takes the missing owner off its list; `false` where the owner is there
    /// after all, and only the graph doesn't show it yet.
    private func collect(_ dependent: OwnershipGraph.Node, owner uid: String) async throws -> Bool {
        guard !dependent.object.isBeingDeleted, !isMisplaced(dependent),
            let missing = dependent.object.ownerReferences.first(where: { $0.uid == uid })
        else { return true }
        if try await isPresent(missing, namespace: dependent.object.namespace) { return false }
        try await leave(dependent, without: uid, propagation: .background)
        return true
    }

    /// Takes an owner off a dependent's list where another one lives, else deletes the dependent.
    private func leave(
        _ dependent: OwnershipGraph.Node,
        without uid: String,
        propagation: PropagationPolicy
    ) async throws {
        for reference in dependent.object.ownerReferences where reference.uid != uid {
            if try await isPresent(reference, namespace: dependent.object.namespace, living: true) {
                return try await release(dependent, owner: uid)
            }
        }
        try await delete(dependent, propagation: propagation)
    }

    /// Whether an owner exists, asked of the server itself: a cache may be late, and a deletion can't be taken back. A `living` one
    /// doesn't wait for its dependents to go first, either.
    private func isPresent(
        _ reference: OwnerReference,
        namespace: String?,
        living: Bool = false
    ) async throws -> Bool {
        guard let type = graph.type(apiVersion: reference.apiVersion, kind: reference.kind) else { return true }
        let key = ObjectKey(namespace: type.isNamespaced ? namespace : nil, name: reference.name)
        guard let owner = try await client.find(type, key), owner.uid == reference.uid else { return false }
        return !living || CollectionPlan(owner: owner) != .deleteDependentsFirst
    }

    /// Whether an object of the whole cluster names an owner of a namespace: no namespace tells which one is meant, so it is never
    /// deleted for it.
    private func isMisplaced(_ dependent: OwnershipGraph.Node) -> Bool {
        dependent.object.namespace == nil
            && dependent.object.ownerReferences.contains { reference in
                graph.type(apiVersion: reference.apiVersion, kind: reference.kind)?.isNamespaced ?? false
            }
    }

    private func delete(_ node: OwnershipGraph.Node, propagation: PropagationPolicy) async throws {
        do throws(KubeError) {
            try await client.delete(
                node.type,
                node.object.key,
                options: DeleteOptions(propagation: propagation, uid: node.object.uid)
            )
        } catch {
            // A conflict may mean another object of that name, or nothing: the next look tells.
            if !error.isNotFound { throw error }
        }
    }

    private func release(_ node: OwnershipGraph.Node, owner uid: String) async throws {
        let rest = node.object.ownerReferences.filter { $0.uid != uid }
        try await patch(node, ["ownerReferences": rest.isEmpty ? .null : .array(rest.map(\.json))])
    }

    private func removeFinalizer(_ finalizer: String, from node: OwnershipGraph.Node) async throws {
        let rest = node.object.finalizers.filter { $0 != finalizer }
        guard rest != node.object.finalizers else { return }
        try await patch(node, ["finalizers": rest.isEmpty ? .null : .array(rest.map(JSONValue.string))])
    }

    private func patch(_ node: OwnershipGraph.Node, _ metadata: JSONValue) async throws {
        var metadata = metadata
        metadata["uid"] = JSONValue(node.object.uid)
        metadata["resourceVersion"] = JSONValue(node.object.resourceVersion)
        do throws(KubeError) {
            try await client.patch(node.type, node.object.key, .merge(["metadata": metadata]))
        } catch {
            if !error.isNotFound { throw error }
        }
    }
}
