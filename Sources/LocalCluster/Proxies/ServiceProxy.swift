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

/// A TCP listener for every port of every Service, which forwards each connection to a ready endpoint.
///
/// Connections outlive a change of the endpoints and of the Service itself, as with kube-proxy.
final class ServiceProxy: Service {
    private struct Entry {
        var chooser: TargetChooser
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
    /// On one machine an attempt is answered at once, unless the endpoint's queue is full: then the system asks again after
    /// 1, 3 and 7 seconds.
    static let connectTimeout = TimeAmount.seconds(10)
    /// How long an address that is taken is left alone.
    static let retryDelay: Duration = .seconds(2)

    private let configuration: LocalClusterConfiguration
    private let state = Mutex(State())
    private let connections = OpenConnections()
    private let held: HeldConnections
    private let changes = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// A proxy without a listener.
    /// - Parameter client: wakes models that held connections wait for; without one they wait for somebody else to.
    init(configuration: LocalClusterConfiguration, client: KubeClient? = nil) {
        self.configuration = configuration
        held = HeldConnections(client: client, time: configuration.time, logger: configuration.logger)
    }

    /// The number of connections that are being relayed.
    var connectionCount: Int { connections.count }

    /// Takes in a new table: opens, closes and redirects listeners.
    func update(_ table: ServiceTable) {
        // Targets change at once; only what needs a socket waits for its turn.
        let choosers = state.withLock { state in
            state.table = table
            return table.targets.compactMap { listener, targets in state.entries[listener].map { ($0.chooser, targets) }
            }
        }
        for (chooser, targets) in choosers { chooser.update(targets) }
        held.update(holding: table.holding, served: Set(table.targets.filter { !$0.value.isEmpty }.keys.map(\.service)))
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

    /// Closes every relayed connection.
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
            let (chooser, isListening) = state.withLock { state in
                let entry = state.entries[listener] ?? Entry(chooser: TargetChooser(random: configuration.random))
                state.entries[listener] = entry
                // The newest table, which may be newer than the one that is being applied.
                entry.chooser.update(state.table?.targets[listener] ?? [])
                return (entry.chooser, entry.channel != nil)
            }
            if isListening { continue }
            do {
                let channel = try await listen(on: listener, chooser: chooser)
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

    /// Listens on the Service's port, or where that needs root and we aren't, on the port that stands for it.
    private func listen(on listener: ServiceListener, chooser: TargetChooser) async throws -> any Channel {
        do {
            return try await listen(on: listener, port: listener.port, chooser: chooser)
        } catch let error as IOError where error.errnoCode == EACCES {
            guard let port = listener.unprivilegedPort else { throw error }
            let channel = try await listen(on: listener, port: port, chooser: chooser)
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
        chooser: TargetChooser
    ) async throws -> any Channel {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [connections, held] client in
                connections.add(client)
                return client.eventLoop.makeCompletedFuture {
                    try client.pipeline.syncOperations.addHandler(
                        RelayHandler { Self.relay($0, Way(listener.service, chooser, held)) }
                    )
                }
            }
            .bind(to: SocketAddress(ipAddress: listener.address, port: port)).get()
    }

    /// Where the connections of one listener go.
    private struct Way: Sendable {
        var service: ObjectKey
        var chooser: TargetChooser
        var held: HeldConnections

        init(_ service: ObjectKey, _ chooser: TargetChooser, _ held: HeldConnections) {
            self.service = service
            self.chooser = chooser
            self.held = held
        }
    }

    /// Keeps `client` until there is a target again; closes it where its Service holds none, or too many wait.
    private static func hold(_ client: any Channel, _ way: Way, tried: Set<ServiceTarget>) {
        let resume: @Sendable () -> Void = { client.eventLoop.execute { relay(client, way) } }
        guard way.held.hold(client, of: way.service, resume: resume) else { return client.close(promise: nil) }
        // What came in between has told nobody.
        if way.chooser.hasTarget(except: tried) { way.held.resume(way.service) }
    }

    /// Connects `client` to the next target; one that refuses is left out and another is tried.
    private static func relay(_ client: any Channel, _ way: Way, tried: Set<ServiceTarget> = []) {
        let chooser = way.chooser
        guard let target = chooser.take(except: tried) else { return hold(client, way, tried: tried) }
        let refused: @Sendable () -> Void = {
            chooser.release(target)
            relay(client, way, tried: tried.union([target]))
        }
        guard let address = try? SocketAddress(ipAddress: target.address, port: target.port) else { return refused() }
        ClientBootstrap(group: client.eventLoop)
            .connectTimeout(connectTimeout)
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { server in
                server.eventLoop.makeCompletedFuture {
                    try server.pipeline.syncOperations.addHandler(RelayHandler())
                }
            }
            .connect(to: address)
            .whenComplete { result in
                switch result {
                case .failure: refused()
                case .success(let server):
                    server.closeFuture.whenComplete { _ in chooser.release(target) }
                    join(client, server)
                }
            }
    }

    /// Joins two channels of one event loop and starts to read from both.
    private static func join(_ client: any Channel, _ server: any Channel) {
        do {
            let back = try server.pipeline.syncOperations.handler(type: RelayHandler.self)
            try client.pipeline.syncOperations.handler(type: RelayHandler.self).join(back)
            for channel in [client, server] { _ = channel.setOption(.autoRead, value: true) }
            for channel in [client, server] { channel.read() }
        } catch {
            client.close(promise: nil)
            server.close(promise: nil)
        }
    }
}
