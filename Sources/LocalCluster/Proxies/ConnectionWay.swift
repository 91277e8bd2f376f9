// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import NIOCore
import NIOHTTP1
import NIOPosix

/// Where the connections of one listener go.
struct ConnectionWay: Sendable {
    /// The Service.
    let service: ObjectKey
    /// Who chooses pods.
    let router: TrafficRouter
    /// Where waits what finds none.
    let held: HeldConnections
    /// The idle connections to pods.
    let pool: UpstreamPool
    /// The copied requests.
    let mirrors: MirrorCount

    /// Gives a connection that was just accepted its handlers.
    func begin(_ client: any Channel) throws {
        let pipeline = client.pipeline.syncOperations
        guard router.speaksHTTP else {
            return try pipeline.addHandler(RelayHandler { relay($0, order: router.order(for: nil)) })
        }
        try pipeline.addHandler(
            ProtocolGuessHandler { guess, client in
                do {
                    if guess == .http { return try speakHTTP(client) }
                    try client.pipeline.syncOperations.addHandler(RelayHandler())
                    relay(client, order: router.order(for: nil))
                } catch {
                    client.close(promise: nil)
                }
            }
        )
    }

    private func speakHTTP(_ client: any Channel) throws {
        var framing = HTTPResponseEncoder.Configuration()
        framing.automaticallySetFramingHeaders = false
        let decoder = HTTPRequestDecoder(
            leftOverBytesStrategy: .forwardBytes,
            informationalResponseStrategy: .forward,
            limitConfiguration: ProxyLimits.decoder
        )
        let pipeline = client.pipeline.syncOperations
        try pipeline.addHandler(HTTPResponseEncoder(configuration: framing))
        try pipeline.addHandler(ByteToMessageHandler(decoder))
        try pipeline.addHandler(HTTPClientHandler(self))
    }

    /// Connects `client`, whose handler is a `RelayHandler`, to the next target of `order`; one that refuses is left
    /// out and another is tried.
    func relay(_ client: any Channel, order: [TargetChooser], tried: Set<ServiceTarget> = []) {
        var next: (chooser: TargetChooser, target: ServiceTarget)?
        for chooser in order where next == nil { next = chooser.take(except: tried).map { (chooser, $0) } }
        guard let (chooser, target) = next else { return hold(client, tried: tried) }
        let refused: @Sendable () -> Void = {
            chooser.release(target)
            relay(client, order: order, tried: tried.union([target]))
        }
        guard let address = try? SocketAddress(ipAddress: target.address, port: target.port) else { return refused() }
        ClientBootstrap(group: client.eventLoop)
            .connectTimeout(ServiceProxy.connectTimeout)
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
                    Self.join(client, server)
                }
            }
    }

    /// Keeps `client` until there is a target again; closes it where its Service holds none, or too many wait.
    private func hold(_ client: any Channel, tried: Set<ServiceTarget>) {
        let outcome = held.hold(
            service,
            on: client.eventLoop,
            resume: {
                client.eventLoop.execute {
                    half(of: client)?.isHeld = false
                    relay(client, order: router.order(for: nil))
                }
            },
            expire: { client.close(promise: nil) }
        )
        guard case .held(let hold) = outcome else { return client.close(promise: nil) }
        client.closeFuture.whenComplete { _ in held.forget(hold) }
        half(of: client)?.isHeld = true
        // What came in between has told nobody.
        if router.hasTarget(for: nil, except: tried) { held.resume(service) }
    }

    private func half(of client: any Channel) -> RelayHandler? {
        try? client.pipeline.syncOperations.handler(type: RelayHandler.self)
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
