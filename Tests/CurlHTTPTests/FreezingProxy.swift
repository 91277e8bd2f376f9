// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization

/// Passes connections on to a port of 127.0.0.1, until it freezes the ones that are open: then it takes bytes and passes
/// none on, as a peer does that is cut off behind something that still acknowledges.
final class FreezingProxy: Sendable {
    fileprivate let state = Mutex<[FreezableHandler.Switch]>([])
    /// The port to connect to.
    let port: Int

    fileprivate init(port: Int) { self.port = port }

    /// Freezes the open connections; new ones pass.
    func freeze() { for open in state.withLock({ $0 }) { open.isFrozen.store(true, ordering: .relaxed) } }
}

/// Runs a proxy while `body` runs.
func withFreezingProxy(to port: Int, _ body: @escaping @Sendable (FreezingProxy) async throws -> Void) async throws {
    let group = MultiThreadedEventLoopGroup.singleton
    let proxyBox = Mutex<FreezingProxy?>(nil)
    let listener = try await ServerBootstrap(group: group)
        .childChannelInitializer { client in
            let frozen = FreezableHandler.Switch()
            proxyBox.withLock { $0 }?.state.withLock { $0.append(frozen) }
            return ClientBootstrap(group: client.eventLoop).connect(host: "127.0.0.1", port: port)
                .flatMapThrowing { server in
                    let there = FreezableHandler(frozen, partner: server)
                    let back = FreezableHandler(frozen, partner: client)
                    try client.pipeline.syncOperations.addHandler(there)
                    try server.pipeline.syncOperations.addHandler(back)
                }
        }
        .bind(host: "127.0.0.1", port: 0).get()
    let proxy = FreezingProxy(port: listener.localAddress?.port ?? 0)
    proxyBox.withLock { $0 = proxy }
    do {
        try await body(proxy)
    } catch {
        try? await listener.close()
        throw error
    }
    try await listener.close()
}

/// Passes what it reads on to its partner.
private final class FreezableHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    final class Switch: Sendable { let isFrozen = Atomic(false) }

    private let frozen: Switch
    private let partner: any Channel

    init(_ frozen: Switch, partner: any Channel) {
        self.frozen = frozen
        self.partner = partner
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !frozen.isFrozen.load(ordering: .relaxed) { partner.writeAndFlush(unwrapInboundIn(data), promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        partner.close(promise: nil)
        context.fireChannelInactive()
    }
}
