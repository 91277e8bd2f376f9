// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// Whether a client is still there; what runs for it ends when it isn't.
final class ClientConnection: Sendable {
    private struct State {
        var isClosed = false
        var isStreaming = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private enum Outcome<Value: Sendable>: Sendable {
        case value(Value)
        case clientGone
    }

    private let state = Mutex(State())

    /// The client went away, or the server wants what runs for it to end.
    func close(onlyStreams: Bool = false) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if onlyStreams && !state.isStreaming { return nil }
            state.isClosed = true
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Runs `operation` in a task that is cancelled when the client goes away. One at a time, as HTTP/1.1 has it.
    /// - Throws: what `operation` throws; `CancellationError` when it ended without a value after the client left.
    func whileOpen<Value: Sendable>(
        isStreaming: Bool,
        _ operation: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        state.withLock { $0.isStreaming = isStreaming }
        defer { state.withLock { $0.isStreaming = false } }
        return try await withThrowingTaskGroup(of: Outcome<Value>.self) { group in
            group.addTask { .value(try await operation()) }
            group.addTask {
                await self.waitUntilClosed()
                return .clientGone
            }
            while let outcome = try await group.next() {
                group.cancelAll()
                if case .value(let value) = outcome { return value }
            }
            throw CancellationError()
        }
    }

    private func waitUntilClosed() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (waiter: CheckedContinuation<Void, Never>) in
                let isOver = state.withLock { state in
                    if state.isClosed || Task.isCancelled { return true }
                    state.waiter = waiter
                    return false
                }
                if isOver { waiter.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiter.take() }?.resume()
        }
    }
}

/// The connections that are open, by their channel.
final class ClientConnections: Sendable {
    private let open = Mutex<[ObjectIdentifier: ClientConnection]>([:])

    /// The connection on `channel`; one that counts as closed when it is gone already.
    func connection(on channel: any Channel) -> ClientConnection {
        if let known = open.withLock({ $0[ObjectIdentifier(channel)] }) { return known }
        let gone = ClientConnection()
        gone.close()
        return gone
    }

    /// A client connected.
    func opened(_ channel: any Channel) { open.withLock { $0[ObjectIdentifier(channel)] = ClientConnection() } }

    /// A client went away.
    func closed(_ channel: any Channel) {
        open.withLock { $0.removeValue(forKey: ObjectIdentifier(channel)) }?.close()
    }

    /// Ends what runs for the clients.
    func close(onlyStreams: Bool) {
        for connection in open.withLock({ Array($0.values) }) { connection.close(onlyStreams: onlyStreams) }
    }
}

/// Notices that the client is gone while the server has nothing to send.
///
/// The server's channels allow half-closed connections, so the end of the client's sending side alone would go unnoticed
/// during a quiet watch. Nobody whom we serve half-closes; so that end closes the connection.
final class ClientConnectionHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Never

    private let connections: ClientConnections
    private let linger: TimeAmount
    private var context: ChannelHandlerContext?

    /// A handler that keeps `connections` up to date.
    /// - Parameter linger: how long the connection isn't told that the server ends: a request may be on its way.
    init(_ connections: ClientConnections, linger: TimeAmount = .zero) {
        self.connections = connections
        self.linger = linger
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connections.opened(context.channel)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        connections.closed(context.channel)
    }

    func channelInactive(context: ChannelHandlerContext) {
        connections.closed(context.channel)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent, linger > .zero {
            context.eventLoop.assumeIsolated().scheduleTask(in: linger) {
                self.context?.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
            }
            return
        }
        context.fireUserInboundEventTriggered(event)
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.fireChannelRead(data) }
}

@available(*, unavailable)
extension ClientConnectionHandler: Sendable {}
