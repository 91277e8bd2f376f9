// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HummingbirdCore
import Logging
import NIOCore
import Synchronization

/// What an `HTTPService` has counted since it began.
public final class HTTPServiceStatistics: Sendable {
    private struct State {
        var connections = 0
        var openConnections = 0
        var requests = 0
        var openRequests = 0
    }

    private let state = Mutex(State())

    /// Counts from 0.
    public init() {}

    /// The connections that were accepted.
    public var connections: Int { state.withLock { $0.connections } }

    /// The connections that are open now.
    public var openConnections: Int { state.withLock { $0.openConnections } }

    /// The requests whose head has arrived.
    public var requests: Int { state.withLock { $0.requests } }

    func connectionOpened() {
        state.withLock { state in
            state.connections += 1
            state.openConnections += 1
        }
    }

    func connectionClosed() { state.withLock { $0.openConnections -= 1 } }

    /// The requests whose head has arrived and whose answer isn't handed to their connection yet.
    public var openRequests: Int { state.withLock { $0.openRequests } }

    func requestArrived() {
        state.withLock { state in
            state.requests += 1
            state.openRequests += 1
        }
    }

    func requestEnded() { state.withLock { $0.openRequests -= 1 } }
}

/// Counts the connections of `base`, and bounds their ends.
struct CountingChannel<Base: ServerChildChannel>: ServerChildChannel {
    typealias Value = Base.Value

    /// What serves them.
    let base: Base
    /// Where they are counted.
    let statistics: HTTPServiceStatistics
    /// How long they may take to end.
    let drain: TimeAmount

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        statistics.connectionOpened()
        channel.closeFuture.whenComplete { [statistics] _ in statistics.connectionClosed() }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(SocketHandler(limit: drain), position: .first)
        }.flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
