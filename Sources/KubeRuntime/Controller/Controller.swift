// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
internal import KubeAPI
public import KubeModel
public import Logging
public import ServiceLifecycle

/// Runs a reconciler over a work queue with a few workers.
///
/// | the reconcile | then |
/// | --- | --- |
/// | answers `awaitChange` | the key's failures are forgotten |
/// | answers `requeue(after:)` | the same, and the key comes back after that time |
/// | throws `retryCall` or an unknown error | the key comes back along the backoff, not before `Retry-After` |
/// | throws `redoRead` | the key comes back along the backoff |
/// | throws `terminal` | the error is logged; the key comes back at the longest backoff, or on a change |
/// | throws 401 or 403 | the key comes back along the backoff: an API server that has just started has read no roles yet |
/// | is cancelled | nothing: the process is ending |
///
/// Graceful shutdown lets the reconciles in hand finish and starts no other.
public final class Controller: Service {
    /// The name in logs.
    public let name: String
    /// Where the keys wait.
    public let queue: WorkQueue
    private let reconciler: any Reconciler
    private let workers: Int
    private let deadline: Duration
    private let stores: [ObjectStore]
    private let time: any TimeSource
    private let logger: Logger

    /// A controller; it begins once every one of `stores` has been filled.
    public init(
        name: String,
        reconciler: any Reconciler,
        workers: Int = 2,
        queue: WorkQueue = WorkQueue(),
        deadline: Duration = .seconds(120),
        awaiting stores: [ObjectStore] = [],
        time: any TimeSource = SystemTime(),
        logger: Logger = Logger(label: "modelfleet.controller")
    ) {
        self.name = name
        self.reconciler = reconciler
        self.workers = max(1, workers)
        self.queue = queue
        self.deadline = deadline
        self.stores = stores
        self.time = time
        var logger = logger
        logger[metadataKey: "controller"] = "\(name)"
        self.logger = logger
    }

    /// Adds a key to the queue.
    public func enqueue(_ key: ObjectKey, priority: WorkPriority = .change) { queue.add(key, priority: priority) }

    /// For a watcher of the reconciled resource itself: enqueues every object that changes; one whose spec changed comes
    /// before others.
    public var enqueuesObject: @Sendable (ObjectChange) -> Void {
        { [queue] change in queue.add(change.key, priority: change.isOfSpec ? .user : .change) }
    }

    /// For a watcher of owned objects: enqueues the controlling owner of `kind`, before and after the change.
    public func enqueuesOwner(_ type: ResourceType) -> @Sendable (ObjectChange) -> Void {
        { [queue] change in
            for object in change.states {
                guard let owner = object.controller, owner.kind == type.kind,
                    owner.apiVersion.split(separator: "/").dropLast().first ?? "" == type.group
                else { continue }
                queue.add(ObjectKey(namespace: type.isNamespaced ? change.key.namespace : nil, name: owner.name))
            }
        }
    }

    /// For a watcher of objects that name the reconciled one in a label: enqueues the one of the same namespace.
    public func enqueuesNamed(inLabel label: String) -> @Sendable (ObjectChange) -> Void {
        { [queue] change in
            for object in [change.before, change.after].compactMap({ $0 }) {
                guard let name = object.value(at: "metadata", "labels", label)?.string else { continue }
                queue.add(ObjectKey(namespace: change.key.namespace, name: name))
            }
        }
    }

    /// For a watcher of any other resource: enqueues the keys that `map` names.
    public func enqueues(
        _ map: @escaping @Sendable (KubeObject) -> [ObjectKey]
    ) -> @Sendable (ObjectChange) -> Void {
        { [queue] change in
            for object in [change.old, change.new].compactMap({ $0 }) {
                for key in map(object) { queue.add(key) }
            }
        }
    }

    /// Works until the task is cancelled or the service is shut down.
    public func run() async throws {
        try await withTaskCancellationOrGracefulShutdownHandler {
            do {
                for store in stores { try await cancelOnShutdown { try await store.waitUntilSynced() } }
            } catch is CancellationError {
                return
            }
            await withDiscardingTaskGroup { group in
                for _ in 0..<workers { group.addTask { await self.work() } }
            }
        } onCancelOrGracefulShutdown: {
            self.queue.shutDown()
        }
    }

    private func work() async {
        while let key = await queue.next() {
            await process(key)
            queue.done(key)
        }
    }

    /// Reconciles one key and decides when it comes back.
    private func process(_ key: ObjectKey) async {
        let start = time.now()
        var metadata: Logger.Metadata = ["object": "\(key)"]
        do {
            let outcome = try await WriteScope.$key.withValue(key) { try await reconcileWithDeadline(key) }
            queue.forget(key)
            if case .requeue(let delay) = outcome { queue.add(key, after: delay, priority: .resync) }
            metadata["outcome"] = "\(outcome)"
        } catch {
            if Task.isCancelled { return }
            metadata["error"] = "\(error)"
            metadata["retrySeconds"] = "\(fail(key, error).inSeconds)"
        }
        metadata["milliseconds"] = "\(Int((time.now() - start).inMilliseconds))"
        logger.debug("reconciled", metadata: metadata)
    }

    /// Puts a failed key back; answers the delay.
    private func fail(_ key: ObjectKey, _ error: any Error) -> Duration {
        let disposition = (error as? any DispositionedError)?.disposition ?? .retryCall(after: nil)
        let metadata: Logger.Metadata = ["object": "\(key)", "error": "\(error)"]
        switch disposition {
        case .retryCall(let after):
            logger.warning("the reconcile failed; will try again", metadata: metadata)
            return queue.retry(key, minimum: after ?? .zero)
        case .redoRead: return queue.retry(key)
        case .terminal where Self.mayPass(error):
            logger.warning("the reconcile was refused; will try again", metadata: metadata)
            return queue.retry(key)
        case .terminal:
            logger.error("the reconcile can't succeed until something changes", metadata: metadata)
            return queue.retry(key, minimum: queue.longestDelay)
        }
    }

    /// Whether a refusal may be that of an API server that has just started: until it has read the roles and accounts, nobody may do anything.
    private static func mayPass(_ error: any Error) -> Bool {
        guard let error = error as? KubeError else { return false }
        return error.isForbidden || error.isUnauthorized
    }

    private func reconcileWithDeadline(_ key: ObjectKey) async throws -> ReconcileOutcome {
        let (reconciler, time, deadline) = (reconciler, time, deadline)
        return try await withThrowingTaskGroup(of: ReconcileOutcome.self) { group in
            group.addTask { try await reconciler.reconcile(key) }
            group.addTask {
                try await time.sleep(for: deadline)
                throw ReconcileTimedOut(limit: deadline)
            }
            defer { group.cancelAll() }
            guard let outcome = try await group.next() else { throw CancellationError() }
            return outcome
        }
    }
}
