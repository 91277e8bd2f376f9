// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// The idle connections to pods, of all event loops; each is used on its own loop only.
final class UpstreamPool: Sendable {
    private struct Key: Hashable {
        var loop: ObjectIdentifier
        var target: ServiceTarget
    }

    private struct Idle {
        var connection: NIOLoopBound<UpstreamConnection>
        var since: NIODeadline
    }

    private struct State {
        var idle: [Key: [Idle]] = [:]
        var sweeping: Set<ObjectIdentifier> = []
    }

    private let state = Mutex(State())

    /// A pool without a connection.
    init() {}

    /// The number of idle connections.
    var count: Int { state.withLock { $0.idle.values.reduce(0) { $0 + $1.count } } }

    /// An idle connection to `target` on `loop`, the one that was used last; the caller is on `loop`.
    func take(_ target: ServiceTarget, on loop: any EventLoop) -> UpstreamConnection? {
        let key = Key(loop: ObjectIdentifier(loop), target: target)
        let oldest = NIODeadline.now() - ProxyLimits.upstreamIdle
        while let idle = state.withLock({ $0.idle[key]?.popLast() }) {
            let connection = idle.connection.value
            if connection.isOpen, idle.since > oldest { return connection }
            connection.close()
        }
        return nil
    }

    /// Keeps a connection that has done with its request; the caller is on `loop`.
    func put(_ connection: UpstreamConnection, on loop: any EventLoop) {
        connection.user = nil
        guard connection.isOpen else { return }
        // What is read now is the connection's end, or something that nobody asked for.
        connection.read()
        let id = ObjectIdentifier(loop)
        let key = Key(loop: id, target: connection.target)
        let idle = Idle(connection: NIOLoopBound(connection, eventLoop: loop), since: .now())
        let (isKept, isFirst) = state.withLock { state in
            guard state.idle[key]?.count ?? 0 < ProxyLimits.idlePerTarget else { return (false, false) }
            state.idle[key, default: []].append(idle)
            return (true, state.sweeping.insert(id).inserted)
        }
        if !isKept { connection.close() }
        if isFirst { sweepLater(loop) }
    }

    /// Closes the idle connections to pods that aren't among `targets`.
    func keepOnly(_ targets: Set<ServiceTarget>) {
        let gone = state.withLock { state in
            let gone = state.idle.filter { !targets.contains($0.key.target) }
            for key in gone.keys { state.idle[key] = nil }
            return gone.values.flatMap { $0 }
        }
        for idle in gone {
            let connection = idle.connection
            connection.eventLoop.execute { connection.value.close() }
        }
    }

    private func sweepLater(_ loop: any EventLoop) {
        loop.scheduleTask(in: ProxyLimits.upstreamIdle) { [self] in
            let id = ObjectIdentifier(loop)
            let oldest = NIODeadline.now() - ProxyLimits.upstreamIdle
            let (old, isEmpty) = state.withLock { state in
                var old: [Idle] = []
                for key in state.idle.keys where key.loop == id {
                    // Used last is put last.
                    let young = state.idle[key]?.firstIndex { $0.since > oldest } ?? state.idle[key]?.count ?? 0
                    old += state.idle[key]?.prefix(young) ?? []
                    state.idle[key]?.removeFirst(young)
                    if state.idle[key]?.isEmpty ?? true { state.idle[key] = nil }
                }
                let isEmpty = !state.idle.keys.contains { $0.loop == id }
                if isEmpty { state.sweeping.remove(id) }
                return (old, isEmpty)
            }
            for idle in old { idle.connection.value.close() }
            if !isEmpty { sweepLater(loop) }
        }
    }
}
