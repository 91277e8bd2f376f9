// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// The accepted connections that are still open.
final class OpenConnections: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    /// The number of them.
    var count: Int { channels.withLock { $0.count } }

    /// Counts a connection in until it closes.
    func add(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        channels.withLock { $0[id] = channel }
        channel.closeFuture.whenComplete { [self] _ in channels.withLock { $0[id] = nil } }
    }

    /// Closes all of them.
    func closeAll() { for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) } }
}
