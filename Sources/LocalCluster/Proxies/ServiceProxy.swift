// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import KubeAPI
import KubeModel
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization

/// A TCP listener for every port of every Service, which forwards each connection to a ready endpoint; where clients
/// speak HTTP/1, each request.
///
/// Connections outlive a change of the endpoints and of the Service itself, as with kube-proxy.
final class ServiceProxy: Service {
    private struct Entry {
        var router: TrafficRouter
        var channel: (any Channel)?
        var isComplainedAbout = false
    }

    private struct State {
        var entries: [ServiceListener: Entry] = [:]
        var table: ServiceTable?
        var awaitsRetry = false
    }

    /// How long a connection attempt to one endpoint may take before the next is tried.
    ///
    /// On one machine an attempt is answered at once, unless the endpoint's queue is full: then the system asks again
    /// after 1, 3 and 7 seconds.
    static let connectTimeout = TimeAmount.seconds(10)
    /// How long an address that is taken is left alone.
    static let retryDelay: Duration = .seconds(2)

    private let configuration: LocalClusterConfiguration
    private let state = Mutex(State())
    /// Held while a table is made and followed.
    private let order = Mutex(())
    private let connections = OpenConnections()
    let held: HeldConnections
    private let pool = UpstreamPool()
    private let mirrors = MirrorCount()
    private let complaints = Mutex<Set<String>>([])
    private let changes = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// A proxy without a listener.
    /// - Parameters:
    ///   - configuration: the cluster's settings.
    ///   - client: wakes models that held connections wait for; without one they wait for somebody else to.
    ///   - longestWait: how long they wait at most.
    init(
        configuration: LocalClusterConfiguration,
        client: KubeClient? = nil,
        longestWait: TimeAmount = HeldConnections.longestWait
    ) {
        self.configuration = configuration
        held = HeldConnections(
            client: client,
            time: configuration.time,
            logger: configuration.logger,
            longestWait: longestWait
        )
    }

    /// The number of clients' connections.
    var connectionCount: Int { connections.count }
    /// The number of copied requests that are on their way.
    var mirroredCount: Int { mirrors.value }

    /// Takes in a new table: opens, closes and redirects listeners.
    ///
    /// - Parameter make: reads what there is; of two callers at once the later one reads, and is followed, last.
    func update(making make: () -> ServiceTable) { order.withLock { _ in take(make()) } }

    /// Takes in a new table.
    func update(_ table: ServiceTable) { update(making: { table }) }

    private func take(_ table: ServiceTable) {
        // Targets change at once; only what needs a socket waits for its turn.
        let routers = state.withLock { state in
            state.table = table
            return state.entries.mapValues(\.router)
        }
        for (listener, router) in routers { table.refresh(router, of: listener) }
        pool.keepOnly(table.allTargets)
        held.update(holding: table.holding, served: table.served)
        complain(table.problems)
        changes.continuation.yield()
    }

    /// Follows the tables until cancelled or shut down, then closes every listener; connections stay.
    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            await withDiscardingTaskGroup { group in
                group.addTask { [held] in await held.run() }
                for await _ in changes.stream {
                    guard let table = state.withLock({ $0.table }), await !apply(table) else { continue }
                    let isFirst = state.withLock { state in
                        defer { state.awaitsRetry = true }
                        return !state.awaitsRetry
                    }
                    if isFirst { group.addTask { [self] in await retryLater() } }
                }
                group.cancelAll()
            }
        }
        let open = state.withLock { state in
            defer { state.entries = [:] }
            return state.entries.values.compactMap(\.channel)
        }
        for channel in open { try? await channel.close().get() }
    }

    /// Closes every client's connection.
    func closeConnections() { connections.closeAll() }

    private func retryLater() async {
        try? await configuration.time.sleep(for: Self.retryDelay)
        state.withLock { $0.awaitsRetry = false }
        changes.continuation.yield()
    }

    /// Makes the listeners those of `table`; false when an address was taken, so that it must be tried again.
    private func apply(_ table: ServiceTable) async -> Bool {
        let stale = state.withLock { state in
            let stale = state.entries.filter { table.targets[$0.key] == nil }
            for key in stale.keys { state.entries[key] = nil }
            return stale.values.compactMap(\.channel)
        }
        for channel in stale { try? await channel.close().get() }
        var isComplete = true
        for listener in table.targets.keys.sorted() {
            let (router, isListening) = order.withLock { _ in
                let (router, newest, isListening) = state.withLock { state in
                    let entry = state.entries[listener] ?? Entry(router: TrafficRouter(random: configuration.random))
                    state.entries[listener] = entry
                    return (entry.router, state.table ?? table, entry.channel != nil)
                }
                // The newest table, which may be newer than the one that is being applied.
                newest.refresh(router, of: listener)
                return (router, isListening)
            }
            if isListening { continue }
            do {
                let channel = try await listen(on: listener, router: router)
                state.withLock { state in
                    state.entries[listener]?.channel = channel
                    state.entries[listener]?.isComplainedAbout = false
                }
            } catch {
                isComplete = false
                complain(listener, error)
            }
        }
        return isComplete
    }

    private func complain(_ listener: ServiceListener, _ error: any Error) {
        let isNew = state.withLock { state in
            let isNew = !(state.entries[listener]?.isComplainedAbout ?? false)
            state.entries[listener]?.isComplainedAbout = true
            return isNew
        }
        guard isNew else { return }
        configuration.logger.warning(
            "cannot listen for a Service; will keep trying",
            metadata: [
                "service": "\(listener.service)", "address": "\(listener.address):\(listener.port)",
                "error": "\(error)",
            ]
        )
    }

    /// Says once what is wrong with Services.
    private func complain(_ problems: [ObjectKey: String]) {
        let texts = Set(problems.map { "\($0.key): \($0.value)" })
        let new = complaints.withLock { known in
            defer { known = texts }
            return texts.subtracting(known).sorted()
        }
        for text in new {
            configuration.logger.warning(
                "a Service's requests aren't shared as it asks",
                metadata: ["error": "\(text)"]
            )
        }
    }

    /// Listens on the Service's port, or where that needs root and we aren't, on the port that stands for it.
    private func listen(on listener: ServiceListener, router: TrafficRouter) async throws -> any Channel {
        do {
            return try await listen(on: listener, port: listener.port, router: router)
        } catch let error as IOError where error.errnoCode == EACCES {
            guard let port = listener.unprivilegedPort else { throw error }
            let channel = try await listen(on: listener, port: port, router: router)
            configuration.logger.notice(
                "ports below 1024 need root; a Service listens on another one",
                metadata: ["service": "\(listener.service)", "address": "\(listener.address):\(port)"]
            )
            return channel
        }
    }

    private func listen(
        on listener: ServiceListener,
        port: Int,
        router: TrafficRouter
    ) async throws -> any Channel {
        let way = ConnectionWay(service: listener.service, router: router, held: held, pool: pool, mirrors: mirrors)
        return try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [connections] client in
                guard connections.count < ProxyLimits.connections else {
                    return client.eventLoop.makeFailedFuture(LocalClusterError("too many connections"))
                }
                connections.add(client)
                return client.eventLoop.makeCompletedFuture { try way.begin(client) }
            }
            .bind(to: SocketAddress(ipAddress: listener.address, port: port)).get()
    }
}
