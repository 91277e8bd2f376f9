// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime
import Synchronization

/// Whether a process waits for another to end.
final class Standby: Sendable {
    private let waits = Atomic<Bool>(false)

    /// Whether another process leads, as far as is known.
    var isWaiting: Bool { waits.load(ordering: .relaxed) }

    /// Notes whether this process waits.
    func set(_ isWaiting: Bool) { waits.store(isWaiting, ordering: .relaxed) }
}

extension OperatorService {
    /// The name of the Lease, and the beginning of the shards' names.
    static let leaseName = "modelfleet-operator"

    /// Waits for the Lease, and works while it is held; every write passes the fence.
    func runElected() async throws {
        let fence = WriteFence()
        let fenced = fenced(fence)
        standby.set(true)
        let election = LeaderElection(
            client: client,
            key: ObjectKey(namespace: configuration.leaseNamespace, name: Self.leaseName),
            identity: leaseIdentity(),
            address: configuration.metricsAddress,
            timing: configuration.leaseTiming,
            fence: fence,
            time: time,
            random: random,
            logger: logger
        ) {
            standby.set(false)
            try await run(parts(client: fenced))
        }
        try await election.run()
    }

    /// Works on the models of those shards that are held.
    func runSharded() async throws {
        let map = ShardMap(count: configuration.shards)
        let fence = ShardElection.fence(map)
        let (stores, state, time) = (stores, state, time)
        let parts = parts(client: fenced(fence)) { key in fence.isOpen(for: key, now: time.now()) }
        @Sendable func keys(of shard: Int) -> [ObjectKey] { stores.models.keys().filter { map.shard(of: $0) == shard } }
        let election = ShardElection(
            client: client,
            namespace: configuration.leaseNamespace,
            name: Self.leaseName,
            identity: leaseIdentity(),
            address: configuration.metricsAddress,
            map: map,
            timing: configuration.leaseTiming,
            time: time,
            random: random,
            logger: logger,
            fence: fence,
            onGain: { shard in for key in keys(of: shard) { parts.controller.enqueue(key) } },
            onLoss: { shard in
                // Another process decides from now on: what this one remembers of its own decisions gets stale.
                for key in keys(of: shard) {
                    parts.ledger.forget(key)
                    parts.settled.forget(key)
                    state.forget(key)
                }
            },
            work: { try await run(parts) }
        )
        try await election.run()
    }

    private func fenced(_ fence: WriteFence) -> KubeClient {
        var fenced = client
        fenced.exchange = FencedExchange(client.exchange, fence: fence, time: time)
        return fenced
    }

    /// A name for Leases that no other process has, fit for the name of an object.
    private func leaseIdentity() -> String {
        let name = configuration.identity.lowercased().map { character in
            character.isASCII && (character.isLetter || character.isNumber) ? character : "-"
        }
        let host = String(name.prefix(120)).trimmed("-")
        return "\(host.isEmpty ? "modelfleet" : host)-\(random.nameSuffix(length: 8))"
    }
}

extension String {
    /// The text without a leading and trailing character.
    fileprivate func trimmed(_ character: Character) -> String {
        var rest = self[...]
        while rest.first == character { rest = rest.dropFirst() }
        while rest.last == character { rest = rest.dropLast() }
        return String(rest)
    }
}
