// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeAPI
public import KubeModel
public import Logging
public import ServiceLifecycle
internal import Synchronization

/// Lets one of several processes work: whoever holds a Lease.
///
/// `lead` runs while this process is the leader and is cancelled when it can't renew in time. Losing the lease ends
/// `run()` with an error, so that the process starts again clean. Shutdown lets `lead` end first, then releases the lease.
/// Every write of `lead` must go through `fence`, which closes by itself when the time is up: cancellation takes a while,
/// and a process that was stopped doesn't even know yet that it should cancel.
public final class LeaderElection: Service {
    /// Leadership was lost.
    public struct Lost: Error, CustomStringConvertible {
        /// The Lease.
        public var key: ObjectKey
        /// Who else leads now; empty where nobody is known to.
        public var holder: String

        /// Says who leads, or that nobody answered.
        public var description: String {
            holder.isEmpty
                ? "lost the leadership: the Lease \(key) couldn't be renewed in time"
                : "lost the leadership to \(holder), which holds the Lease \(key)"
        }
    }

    private let client: KubeClient
    private let key: ObjectKey
    private let time: any TimeSource
    private let random: any RandomSource
    private let logger: Logger
    private let machine: Mutex<LeaseStateMachine>
    /// What lets the leader's writes through.
    public let fence: WriteFence
    private let lead: @Sendable () async throws -> Void

    /// An election about the Lease `key`; `identity` must differ for every process (pod name and a random part).
    /// `address` is where this process answers requests while it leads, for the Lease's annotation; empty for nowhere.
    public init(
        client: KubeClient,
        key: ObjectKey,
        identity: String,
        address: String = "",
        timing: LeaseTiming = LeaseTiming(),
        fence: WriteFence = WriteFence(),
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom(),
        logger: Logger = Logger(label: "modelfleet.lease"),
        lead: @escaping @Sendable () async throws -> Void
    ) {
        var client = client
        client.timeout = min(client.timeout, timing.renewDeadline)
        client.retries = 0
        self.client = client
        self.key = key
        self.fence = fence
        self.time = time
        self.random = random
        self.logger = logger
        machine = Mutex(LeaseStateMachine(identity: identity, timing: timing, address: address))
        self.lead = lead
    }

    /// Whether this process leads now.
    public var isLeader: Bool {
        let now = time.now()
        return machine.withLock { $0.isLeader(at: now) }
    }

    /// Who leads, as far as this process has seen; empty for nobody.
    public var holder: String { machine.withLock { $0.holder } }

    /// Waits for the lease, leads, and releases it.
    /// - Throws: `Lost`; what `lead` throws.
    public func run() async throws {
        do {
            try await cancelOnShutdown { try await self.acquire() }
        } catch is CancellationError {
            return
        }
        logger.info("leading", metadata: ["lease": "\(key)"])
        do {
            try await leadWhileRenewing()
        } catch {
            await release()
            throw error
        }
        await release()
    }

    private func leadWhileRenewing() async throws {
        let lead = lead
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await lead() }
            group.addTask { try await self.renewForever() }
            group.addTask { try await self.waitForDeadline() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func acquire() async throws {
        while true {
            try Task.checkCancellation()
            if await tryOnce() { return }
            // Up to a fifth longer, so that several followers don't ask together (client-go's `JitterFactor` is 1.2).
            let period = machine.withLock { $0.timing.retryPeriod }
            try await time.sleep(for: .seconds(period.inSeconds * (1 + 0.2 * random.unit())))
        }
    }

    /// Renews until another is seen to lead.
    private func renewForever() async throws {
        while true {
            try await time.sleep(for: machine.withLock { $0.timing.retryPeriod })
            _ = await tryOnce()
            try Task.checkCancellation()
            try checkLeadership()
        }
    }

    /// Watches the deadline, also while a renewal hangs.
    private func waitForDeadline() async throws {
        while true {
            try checkLeadership()
            let rest = machine.withLock { $0.leadsUntil }.map { $0 - time.now() } ?? .zero
            if rest > .zero { try await time.sleep(for: rest) }
        }
    }

    private func checkLeadership() throws(Lost) {
        let now = time.now()
        let (isLeader, holder) = machine.withLock { ($0.isLeader(at: now), $0.holder == $0.identity ? "" : $0.holder) }
        guard isLeader else { throw Lost(key: key, holder: holder) }
    }

    /// Reads the lease and does what the machine says; answers whether we lead. Errors are logged: the deadline decides.
    private func tryOnce() async -> Bool {
        do {
            let lease = try await client.find(.leases, key)
            let now = time.now()
            let action = machine.withLock { $0.observe(lease.map(LeaseRecord.init), now: now) }
            switch action {
            case .wait:
                fence.close()
                return false
            case .create(let record):
                var lease = KubeObject(.leases, namespace: key.namespace, name: key.name)
                record.write(to: &lease)
                try await client.create(.leases, lease)
                wrote(record, sent: now)
            case .update(let record):
                guard var lease else { return false }
                record.write(to: &lease)
                try await client.replace(.leases, lease)
                wrote(record, sent: now)
            }
        } catch {
            let level: Logger.Level = error.disposition == .redoRead || error.isCancelled ? .debug : .warning
            logger.log(level: level, "cannot renew the lease", metadata: ["lease": "\(key)", "error": "\(error)"])
        }
        return isLeader
    }

    private func wrote(_ record: LeaseRecord, sent: WallTime) {
        let timing = machine.withLock { machine in
            machine.wrote(record, sent: sent)
            return machine.timing
        }
        fence.open(
            beginsUntil: sent + timing.renewDeadline,
            endsBy: sent + timing.writesEndWithin,
            goneBy: sent + timing.leaseDuration
        )
    }

    /// Gives the lease back, so that the next leader needn't wait; not while a write of ours may still take effect. Best
    /// effort.
    private func release() async {
        fence.close()
        let now = time.now()
        let released = machine.withLock { machine in
            let record = machine.release(now: now)
            machine.stepDown()
            return record
        }
        guard fence.isQuiet(now: now) else {
            logger.info("a write has no answer yet; the lease runs out by itself", metadata: ["lease": "\(key)"])
            return
        }
        guard let released, var lease = try? await client.find(.leases, key),
            LeaseRecord(lease).holder == machine.withLock({ $0.identity })
        else { return }
        released.write(to: &lease)
        do {
            _ = try await client.replace(.leases, lease)
            logger.info("released the lease", metadata: ["lease": "\(key)"])
        } catch {
            logger.debug("cannot release the lease", metadata: ["lease": "\(key)", "error": "\(error)"])
        }
    }
}
