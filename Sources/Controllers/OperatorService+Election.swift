// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime
import Synchronization

/// What this process is among those that share the work, as far as is known.
final class Membership: Sendable {
    private struct State {
        var identity: String?
        var isWaiting = false
        /// The shards that are held; `nil` where there are none.
        var shards: (map: ShardMap, held: Set<Int>)?
    }

    private let state = Mutex(State())

    /// Its name in the Leases; `nil` before it takes part.
    var identity: String? { state.withLock { $0.identity } }

    /// Whether another process leads.
    var isWaiting: Bool { state.withLock { $0.isWaiting } }

    /// Takes part under a name, for a share of the shards of `map` where there is one.
    func join(as identity: String, map: ShardMap? = nil) {
        state.withLock { state in
            state.identity = identity
            state.shards = map.map { ($0, []) }
        }
    }

    /// Notes whether this process waits.
    func wait(_ isWaiting: Bool) { state.withLock { $0.isWaiting = isWaiting } }

    /// Notes whether a shard is held.
    func note(_ shard: Int, isHeld: Bool) {
        state.withLock { state in
            if isHeld { state.shards?.held.insert(shard) } else { state.shards?.held.remove(shard) }
        }
    }

    /// Whether a shard is held.
    func holds(shard: Int) -> Bool { state.withLock { $0.shards?.held.contains(shard) ?? false } }

    /// Whether a model is this process's to look after. By what is held, whether or not a write may begin: one that comes
    /// a moment late to renew its Leases doesn't forget what it knows.
    func holds(_ key: ObjectKey) -> Bool {
        state.withLock { state in state.shards.map { $0.held.contains($0.map.shard(of: key)) } ?? !state.isWaiting }
    }
}

extension OperatorService {
    /// The name of the Lease, and the beginning of the shards' names.
    static let leaseName = "modelfleet-operator"

    /// Waits for the Lease, and works while it is held; every write passes the fence.
    func runElected() async throws {
        let fence = WriteFence()
        let fenced = fenced(fence)
        let identity = leaseIdentity()
        membership.join(as: identity)
        membership.wait(true)
        let election = LeaderElection(
            client: client,
            key: ObjectKey(namespace: configuration.leaseNamespace, name: Self.leaseName),
            identity: identity,
            address: configuration.metricsAddress,
            timing: configuration.leaseTiming,
            fence: fence,
            time: time,
            random: random,
            logger: logger
        ) {
            membership.wait(false)
            try await run(parts(client: fenced))
        }
        try await election.run()
    }

    /// Works on the models of those shards that are held.
    func runSharded() async throws {
        let map = ShardMap(count: configuration.shards)
        let fence = ShardElection.fence(map)
        let (stores, state, membership, time) = (stores, state, membership, time)
        let parts = parts(client: fenced(fence)) { key in fence.isOpen(for: key, now: time.now()) }
        let identity = leaseIdentity()
        membership.join(as: identity, map: map)
        @Sendable func keys(of shard: Int) -> [ObjectKey] { stores.models.keys().filter { map.shard(of: $0) == shard } }
        let election = ShardElection(
            client: client,
            namespace: configuration.leaseNamespace,
            name: Self.leaseName,
            identity: identity,
            address: configuration.metricsAddress,
            map: map,
            timing: configuration.leaseTiming,
            time: time,
            random: random,
            logger: logger,
            fence: fence,
            onGain: { shard in
                membership.note(shard, isHeld: true)
                for key in keys(of: shard) { parts.controller.enqueue(key) }
            },
            onLoss: { shard in
                membership.note(shard, isHeld: false)
                // Another process decides from now on: what this one remembers of its own decisions gets stale.
                for key in keys(of: shard) {
                    parts.ledger.forget(key)
                    parts.settled.forget(key)
                    parts.analysis.forget(key)
                    parts.rollouts.forget(key)
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
