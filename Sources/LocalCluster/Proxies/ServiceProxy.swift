// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization

/// A TCP listener for every port of every Service, which forwards each connection to a ready endpoint.
final class ServiceProxy: Service {
    private struct Entry {
        var chooser: TargetChooser
        var channel: (any Channel)?
        var port: Int?
    }

    /// How long a connection attempt to one endpoint may take before the next is tried.
    static let connectTimeout = TimeAmount.seconds(2)

    private let configuration: LocalClusterConfiguration
    private let entries = Mutex<[ServiceListener: Entry]>([:])
    private let tables = AsyncStream<ServiceTable>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// A proxy without a listener.
    init(configuration: LocalClusterConfiguration) { self.configuration = configuration }

    /// Takes in a new table: opens, closes and redirects listeners.
    func update(_ table: ServiceTable) { tables.continuation.yield(table) }

    /// Follows the tables until cancelled, then closes every listener.
    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            for await table in tables.stream { await apply(table) }
        }
        let open = entries.withLock { entries in
            defer { entries = [:] }
            return entries.values.compactMap(\.channel)
        }
        for channel in open { try? await channel.close().get() }
    }

    /// Makes the listeners those of `table`. A listener whose address is taken is tried again with the next table.
    func apply(_ table: ServiceTable) async {
        let stale = entries.withLock { entries in
            let stale = entries.filter { table.targets[$0.key] == nil }
            for key in stale.keys { entries[key] = nil }
            return stale.values.compactMap(\.channel)
        }
        for channel in stale { try? await channel.close().get() }
        for (listener, targets) in table.targets {
            let (chooser, isListening) = entries.withLock { entries in
                let entry = entries[listener] ?? Entry(chooser: TargetChooser(random: configuration.random))
                entries[listener] = entry
                return (entry.chooser, entry.channel != nil)
            }
            chooser.update(targets)
            if isListening { continue }
            do {
                let channel = try await Self.listen(on: listener, chooser: chooser)
                entries.withLock { $0[listener]?.channel = channel }
            } catch {
                configuration.logger.warning(
                    "cannot listen for a Service; will try again when Services change",
                    metadata: [
                        "service": "\(listener.service)", "address": "\(listener.address):\(listener.port)",
                        "error": "\(error)",
                    ]
                )
            }
        }
    }

    /// Listens and relays; port 0 takes any free one.
    static func listen(on listener: ServiceListener, chooser: TargetChooser) async throws -> any Channel {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { client in
                client.eventLoop.makeCompletedFuture {
                    try client.pipeline.syncOperations.addHandler(
                        RelayHandler { relay($0, chooser: chooser, tried: []) })
                }
            }
            .bind(host: listener.address, port: listener.port).get()
    }

    /// Connects `client` to the next target; one that refuses is left out and another is tried.
    private static func relay(_ client: any Channel, chooser: TargetChooser, tried: Set<ServiceTarget>) {
        guard let target = chooser.take(except: tried) else { return client.close(promise: nil) }
        ClientBootstrap(group: client.eventLoop)
            .connectTimeout(connectTimeout)
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: target.address, port: target.port)
            .whenComplete { result in
                switch result {
                case .failure:
                    chooser.release(target)
                    relay(client, chooser: chooser, tried: tried.union([target]))
                case .success(let server):
                    server.closeFuture.whenComplete { _ in chooser.release(target) }
                    join(client, server)
                }
            }
    }

    /// Joins two channels of one event loop and starts to read from both.
    private static func join(_ client: any Channel, _ server: any Channel) {
        do {
            let back = RelayHandler()
            try client.pipeline.syncOperations.handler(type: RelayHandler.self).join(back)
            try server.pipeline.syncOperations.addHandler(back)
            for channel in [client, server] { _ = channel.setOption(.autoRead, value: true) }
            for channel in [client, server] { channel.read() }
        } catch {
            client.close(promise: nil)
            server.close(promise: nil)
        }
    }
}
