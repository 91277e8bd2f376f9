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
public final class LeaderElection: Service {
    /// Leadership was lost.
    public struct Lost: Error, CustomStringConvertible {
        /// Who leads now, where it is known.
        public var holder: String

        /// Says who leads.
        public var description: String {
            "lost the leadership\(holder.isEmpty ? "" : " to \(holder)"): the lease couldn't be renewed in time"
        }
    }

    private let client: KubeClient
    private let key: ObjectKey
    private let time: any TimeSource
    private let logger: Logger
    private let machine: Mutex<LeaseStateMachine>
    private let lead: @Sendable () async throws -> Void

    /// An election about the Lease `key`; `identity` must differ for every process (pod name and a random part).
    public init(
        client: KubeClient,
        key: ObjectKey,
        identity: String,
        timing: LeaseTiming = LeaseTiming(),
        time: any TimeSource = SystemTime(),
        logger: Logger = Logger(label: "modelfleet.lease"),
        lead: @escaping @Sendable () async throws -> Void
    ) {
        var client = client
        client.timeout = min(client.timeout, timing.renewDeadline)
        client.retries = 0
        self.client = client
        self.key = key
        self.time = time
        self.logger = logger
        machine = Mutex(LeaseStateMachine(identity: identity, timing: timing))
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
        defer { machine.withLock { $0.stepDown() } }
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
            group.addTask { try await self.renewUntilLost() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func acquire() async throws {
        while true {
            try Task.checkCancellation()
            if await tryOnce() { return }
            try await time.sleep(for: machine.withLock { $0.timing.retryPeriod })
        }
    }

    private func renewUntilLost() async throws {
        while true {
            try await time.sleep(for: machine.withLock { $0.timing.retryPeriod })
            _ = await tryOnce()
            try Task.checkCancellation()
            let now = time.now()
            let (isLeader, holder) = machine.withLock { ($0.isLeader(at: now), $0.holder) }
            guard isLeader else { throw Lost(holder: holder) }
        }
    }

    /// Reads the lease and does what the machine says; answers whether we lead. Errors are logged: the deadline decides.
    private func tryOnce() async -> Bool {
        do {
            let lease = try await client.find(.leases, key)
            let now = time.now()
            switch machine.withLock({ $0.observe(lease.map(LeaseRecord.init), now: now) }) {
            case .wait: return false
            case .create(let record):
                var lease = KubeObject(.leases, namespace: key.namespace, name: key.name)
                record.write(to: &lease)
                try await client.create(.leases, lease)
                machine.withLock { $0.wrote(record, sent: now) }
            case .update(let record):
                guard var lease else { return false }
                record.write(to: &lease)
                try await client.replace(.leases, lease)
                machine.withLock { $0.wrote(record, sent: now) }
            }
        } catch {
            let level: Logger.Level = error.disposition == .redoRead || error.isCancelled ? .debug : .warning
            logger.log(level: level, "cannot renew the lease", metadata: ["lease": "\(key)", "error": "\(error)"])
        }
        return isLeader
    }

    /// Gives the lease back, so that the next leader needn't wait. Best effort, but not cut short by cancellation.
    private func release() async {
        let now = time.now()
        guard let record = machine.withLock({ $0.release(now: now) }), let lease = try? await client.find(.leases, key)
        else { return }
        guard LeaseRecord(lease).holder == machine.withLock({ $0.identity }) else { return }
        var released = lease
        record.write(to: &released)
        _ = try? await client.replace(.leases, released)
    }
}
