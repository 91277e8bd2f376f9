// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeAPI
internal import KubeModel
public import Logging
public import ServiceLifecycle
internal import Synchronization

/// Splits the work over several processes: each holds some shards, and each shard has a Lease.
///
/// The Leases are `NAME-shard-NUMBER`, and `NAME-member-IDENTITY` for each process; all carry the label
/// `modelfleet.dev/operator: NAME`, so that one list shows everything. `work` runs all the time; its writes go through
/// `fence`, which lets those through whose shard is held.
public final class ShardElection: Service {
    /// The label of the Leases.
    public static let label = "modelfleet.dev/operator"

    private struct State {
        var coordinator: ShardCoordinator
        /// The shards whose gain was told.
        var told: Set<Int> = []
    }

    private let client: KubeClient
    private let namespace: String
    private let name: String
    private let identity: String
    private let timing: LeaseTiming
    private let time: any TimeSource
    private let random: any RandomSource
    private let logger: Logger
    private let state: Mutex<State>
    /// What lets the writes of held shards through.
    public let fence: WriteFence
    private let onGain: @Sendable (Int) -> Void
    private let onLoss: @Sendable (Int) -> Void
    private let work: @Sendable () async throws -> Void

    /// A process among several.
    /// - Parameters:
    ///   - identity: differs for every process; fit for the name of a Lease (lower case, digits, `-` and `.`).
    ///   - address: where this process answers requests, for the Leases' annotation; empty for nowhere.
    ///   - onGain: called with each shard that is ours from now on; again after a time in which the fence was closed although
    ///     nobody else took it.
    ///   - onLoss: called with each shard that isn't any more.
    ///   - work: the work itself, whatever shards are held.
    public init(
        client: KubeClient,
        namespace: String,
        name: String = "modelfleet-operator",
        identity: String,
        address: String = "",
        map: ShardMap,
        timing: LeaseTiming = LeaseTiming(),
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom(),
        logger: Logger = Logger(label: "modelfleet.lease"),
        fence: WriteFence? = nil,
        onGain: @escaping @Sendable (Int) -> Void = { _ in },
        onLoss: @escaping @Sendable (Int) -> Void = { _ in },
        work: @escaping @Sendable () async throws -> Void
    ) {
        var client = client
        client.timeout = min(client.timeout, timing.renewDeadline)
        client.retries = 0
        self.client = client
        self.namespace = namespace
        self.name = name
        self.identity = identity
        self.timing = timing
        self.time = time
        self.random = random
        self.logger = logger
        self.fence = fence ?? Self.fence(map)
        self.onGain = onGain
        self.onLoss = onLoss
        self.work = work
        state = Mutex(
            State(
                coordinator: ShardCoordinator(
                    identity: identity,
                    count: map.count,
                    timing: timing,
                    address: address
                )
            )
        )
    }

    /// A fence with a lane for each shard; a write about nothing is refused.
    public static func fence(_ map: ShardMap) -> WriteFence { WriteFence { key in key.map { map.shard(of: $0) } } }

    /// The shards that this process holds.
    public var held: Set<Int> { state.withLock { $0.coordinator.held } }

    /// Works until cancelled or shut down, then gives all shards back.
    public func run() async throws {
        let work = work
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await work() }
                group.addTask { try await self.coordinate() }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch {
            await leave()
            throw error
        }
        await leave()
    }

    private func coordinate() async throws {
        while true {
            await tick()
            try Task.checkCancellation()
            // Up to a tenth shorter, so that the replicas don't ask together.
            try await time.sleep(for: .seconds(timing.retryPeriod.inSeconds * (1 - 0.1 * random.unit())))
        }
    }

    /// Reads all leases once and does what follows. Errors are logged: deadlines decide.
    func tick() async {
        let begun = time.now()
        for shard in state.withLock({ $0.coordinator.expire(now: begun) }) { lose(shard, why: "its time is up") }
        do {
            let leases = try await leases()
            let now = time.now()
            let records = Dictionary(leases.map { ($0.name, LeaseRecord($0)) }) { first, _ in first }
            var shards: [Int: LeaseRecord] = [:]
            var members: [String: LeaseRecord] = [:]
            for (lease, record) in records {
                if let shard = shardNumber(lease) { shards[shard] = record }
                if let member = memberName(lease) { members[member] = record }
            }
            let actions = state.withLock { $0.coordinator.observe(shards: shards, members: members, now: now) }
            let leaving = Set(actions.compactMap { if case .giveBack(let shard) = $0 { shard } else { nil } })
            let found = Dictionary(leases.map { ($0.name, $0) }) { first, _ in first }
            for action in actions { await perform(action, found, leaving: leaving) }
        } catch {
            note(error, "cannot read the leases")
        }
    }

    private func perform(_ action: ShardCoordinator.Action, _ found: [String: KubeObject], leaving: Set<Int>) async {
        switch action {
        case .live(let record): _ = await write(record, to: memberLease(identity), found)
        case .bury(let identity):
            do {
                _ = try await client.delete(.leases, key(memberLease(identity)))
            } catch {
                note(error, "cannot delete the lease of a replica that is gone")
            }
        case .lost(let shard): lose(shard, why: "another replica holds it")
        case .hold(let shard, let record):
            let sent = time.now()
            guard await write(record, to: shardLease(shard), found) else { return }
            let isNew = state.withLock { state in
                state.coordinator.wrote(shard: shard, record, sent: sent)
                return !leaving.contains(shard) && state.told.insert(shard).inserted
            }
            guard !leaving.contains(shard) else { return }
            // A renewal that took long may have found the fence closed: what was to be done meanwhile was turned away.
            let hasLapsed = !fence.isOpen(lane: shard, at: time.now() + .seconds(1))
            fence.open(
                shard,
                beginsUntil: sent + timing.renewDeadline,
                endsBy: sent + timing.writesEndWithin,
                goneBy: sent + timing.leaseDuration
            )
            if isNew { logger.info("holds a shard", metadata: ["shard": "\(shard)"]) }
            if isNew || hasLapsed { onGain(shard) }
        case .giveBack(let shard):
            lose(shard, why: "others have fewer")
            await giveBack(shard)
        }
    }

    private func lose(_ shard: Int, why: String) {
        fence.close(shard)
        guard state.withLock({ $0.told.remove(shard) }) != nil else { return }
        logger.info("holds a shard no more", metadata: ["shard": "\(shard)", "reason": "\(why)"])
        onLoss(shard)
    }

    /// Frees the lease of a shard, unless a write of ours may still take effect: then the next round tries again.
    private func giveBack(_ shard: Int) async {
        let now = time.now()
        guard fence.isQuiet(shard, now: now),
            let record = state.withLock({ $0.coordinator.release(shard: shard, now: now) })
        else { return }
        do {
            guard var lease = try await client.find(.leases, key(shardLease(shard))),
                LeaseRecord(lease).holder == identity
            else { return }
            record.write(to: &lease)
            try await client.replace(.leases, lease)
            state.withLock { $0.coordinator.gaveBack(shard: shard) }
        } catch {
            note(error, "cannot give a shard back")
        }
    }

    /// Gives everything back at the end.
    private func leave() async {
        for shard in held.sorted() {
            lose(shard, why: "the process ends")
            await giveBack(shard)
        }
        _ = try? await client.delete(.leases, key(memberLease(identity)))
    }

    // MARK: Leases

    private func leases() async throws(KubeError) -> [KubeObject] {
        let options = ListOptions(labelSelector: LabelSelector(matching: [Self.label: name]))
        return try await client.list(.leases, namespace: namespace, options: options).items
    }

    private func write(_ record: LeaseRecord, to name: String, _ found: [String: KubeObject]) async -> Bool {
        do {
            if var lease = found[name] {
                record.write(to: &lease)
                try await client.replace(.leases, lease)
            } else {
                var lease = KubeObject(.leases, namespace: namespace, name: name)
                lease.labels = [Self.label: self.name]
                record.write(to: &lease)
                try await client.create(.leases, lease)
            }
            return true
        } catch {
            note(error, "cannot write a lease")
            return false
        }
    }

    private func note(_ error: KubeError, _ message: Logger.Message) {
        // That another was quicker is how it is meant to be.
        let level: Logger.Level =
            error.disposition == .redoRead || error.isCancelled || error.isNotFound ? .debug : .warning
        logger.log(level: level, message, metadata: ["error": "\(error)"])
    }

    private func key(_ lease: String) -> ObjectKey { ObjectKey(namespace: namespace, name: lease) }
    private func shardLease(_ shard: Int) -> String { "\(name)-shard-\(shard)" }
    private func memberLease(_ identity: String) -> String { "\(name)-member-\(identity)" }

    private func shardNumber(_ lease: String) -> Int? {
        lease.hasPrefix("\(name)-shard-") ? Int(lease.dropFirst(name.utf8.count + 7)) : nil
    }

    private func memberName(_ lease: String) -> String? {
        lease.hasPrefix("\(name)-member-") ? String(lease.dropFirst(name.utf8.count + 8)) : nil
    }
}
