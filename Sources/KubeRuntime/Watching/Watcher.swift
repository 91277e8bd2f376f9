// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeAPI
public import KubeModel
public import Logging
public import ServiceLifecycle
internal import Synchronization

/// Keeps an `ObjectStore` equal to a part of the cluster, and tells of every change.
///
/// Begins with a streaming list where the server offers it, else with pages; resumes after a break from the last version,
/// and begins anew when that expired. Objects that went away in between are told of as gone. It never gives up: errors
/// are logged and retried. An object that can't be read is logged and passed over: the store holds it as it could be read last, or
/// not at all, and all others are followed.
public final class Watcher: Service {
    private let client: KubeClient
    private let type: ResourceType
    private let namespace: String?
    private let labelSelector: LabelSelector?
    private let fieldSelector: FieldSelector?
    /// Where the objects are kept.
    public let store: ObjectStore
    private let onChange: @Sendable (ObjectChange) -> Void
    private let stallTimeout: Duration
    private let time: any TimeSource
    private let random: any RandomSource
    private let logger: Logger
    private let machine: Mutex<WatchStateMachine>
    private let lastActivity: Mutex<WallTime>

    /// A watcher of `type`, in all namespaces where `namespace` is `nil`.
    ///
    /// `onChange` is called in the order of changes, after the store holds them; it must be quick. `stallTimeout` is the
    /// longest silence (no event and no bookmark; servers send one a minute) before it connects anew. `streams` says
    /// whether to begin with a streaming list, where the server offers it.
    public init(
        client: KubeClient,
        type: ResourceType,
        namespace: String? = nil,
        labelSelector: LabelSelector? = nil,
        fieldSelector: FieldSelector? = nil,
        store: ObjectStore = ObjectStore(),
        stallTimeout: Duration = .seconds(150),
        backoff: Backoff = Backoff(initial: .milliseconds(800), maximum: .seconds(30), jitter: 0.5),
        streams: Bool = true,
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom(),
        logger: Logger = Logger(label: "modelfleet.watch"),
        onChange: @escaping @Sendable (ObjectChange) -> Void = { _ in }
    ) {
        self.client = client
        self.type = type
        self.namespace = namespace
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
        self.store = store
        self.onChange = onChange
        self.stallTimeout = stallTimeout
        self.time = time
        self.random = random
        var logger = logger
        logger[metadataKey: "resource"] = "\(type)"
        self.logger = logger
        machine = Mutex(WatchStateMachine(backoff: backoff, random: random, streams: streams))
        lastActivity = Mutex(time.now())
        store.expectList(of: namespace)
    }

    /// Watches until the task is cancelled or the service is shut down.
    public func run() async throws {
        await cancelOnShutdown { await self.watchForever() }
    }

    private func watchForever() async {
        var action = machine.withLock { $0.start() }
        while !Task.isCancelled {
            switch action {
            case .stream: action = await watch(from: nil)
            case .list(let inPages): action = await list(inPages: inPages)
            case .watch(let version): action = await watch(from: version)
            case .wait(let duration):
                do { try await time.sleep(for: duration) } catch { return }
                action = machine.withLock { $0.resume() }
            }
        }
    }

    /// Reads the list page by page into the store, so that no more than a page is held at once.
    private func list(inPages: Bool) async -> WatchStateMachine.Action {
        var options = ListOptions(labelSelector: labelSelector, fieldSelector: fieldSelector)
        if !inPages { options.limit = nil }
        var token: String?
        store.beginList(of: namespace)
        do {
            while true {
                let page = try await client.readablePage(
                    type,
                    namespace: namespace,
                    options: options,
                    continueToken: token
                )
                for object in page.items { if let change = store.put(object) { onChange(change) } }
                for object in page.unreadable { passOver(object) }
                token = page.continueToken
                guard token == nil else { continue }
                for change in store.finishList(of: namespace) { onChange(change) }
                return machine.withLock { $0.listed(version: page.resourceVersion) }
            }
        } catch {
            log(error, "cannot list; will try again")
            return machine.withLock { $0.listFailed(error, inPages: inPages) }
        }
    }

    private func log(_ error: KubeError, _ message: Logger.Message) {
        guard !error.isCancelled else { return }
        let level: Logger.Level = error.disposition == .redoRead ? .debug : .warning
        logger.log(level: level, message, metadata: ["error": "\(error)"])
    }

    private enum Ending: Sendable {
        case action(WatchStateMachine.Action)
        case ended
        case failed(KubeError)
        case stalled
        case cancelled
    }

    /// Watches from `version`; without one from the beginning, with all objects first.
    private func watch(from version: String?) async -> WatchStateMachine.Action {
        if version == nil { store.beginList(of: namespace) }
        let start = time.now()
        lastActivity.withLock { $0 = start }
        let ending = await withTaskGroup(of: Ending.self) { group in
            group.addTask { await self.readEvents(from: version) }
            group.addTask { await self.waitForStall() }
            let first = await group.next() ?? .ended
            group.cancelAll()
            return first
        }
        let life = time.now() - start
        switch ending {
        case .action(let action): return action
        case .ended: return machine.withLock { $0.watchEnded(life: life) }
        case .failed(let error):
            log(error, "the watch broke; will connect again")
            return machine.withLock { $0.watchFailed(error, life: life) }
        case .stalled:
            // Where nothing changes an API server may have nothing to say for minutes, bookmarks included.
            logger.debug(
                "the watch is silent; connecting again",
                metadata: ["seconds": "\(stallTimeout.components.seconds)"]
            )
            return machine.withLock { $0.stalled() }
        case .cancelled: return .wait(.zero)
        }
    }

    private func readEvents(from version: String?) async -> Ending {
        // Between five and ten minutes, as client-go, so that watches don't all end together.
        let lifetime = Duration.seconds(300 + Int(random.unit() * 300))
        let options = WatchOptions(
            labelSelector: labelSelector,
            fieldSelector: fieldSelector,
            resourceVersion: version,
            sendsInitialEvents: version == nil,
            timeout: lifetime
        )
        do {
            for try await event in try await client.watch(type, namespace: namespace, options: options) {
                let now = time.now()
                lastActivity.withLock { $0 = now }
                switch machine.withLock({ $0.received(event) }) {
                case .keep: keep(event)
                case .proceed: break
                case .listEnds: for change in store.finishList(of: namespace) { onChange(change) }
                case .leave(let action): return .action(action)
                }
            }
            return Task.isCancelled ? .cancelled : .ended
        } catch let error as KubeError {
            return error.isCancelled ? .cancelled : .failed(error)
        } catch {
            return .cancelled
        }
    }

    private func keep(_ event: WatchEvent) {
        let change: ObjectChange?
        switch event {
        case .added(let object), .modified(let object): change = store.put(object)
        case .deleted(let object):
            // The last state, which may be newer than the one that is kept.
            store.put(object)
            change = store.remove(object.key)
        case .unreadable(let object): change = passOver(object)
        case .bookmark, .error: change = nil
        }
        if let change { onChange(change) }
    }

    /// Says that an object can't be read. As long as it is there the store holds it as it could be read last, so that it doesn't look
    /// deleted.
    @discardableResult
    private func passOver(_ object: UnreadableObject) -> ObjectChange? {
        logger.warning(
            "an object can't be read and is passed over; correct or delete it",
            metadata: ["object": "\(object.key)", "version": "\(object.resourceVersion)", "error": "\(object.reason)"]
        )
        if object.isDeleted { return store.remove(object.key) }
        store.keep(object.key)
        return nil
    }

    private func waitForStall() async -> Ending {
        while true {
            let rest = lastActivity.withLock { $0 } + stallTimeout - time.now()
            if rest <= .zero { return .stalled }
            do { try await time.sleep(for: rest) } catch { return .cancelled }
        }
    }
}
