// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Synchronization

/// When each node was last heard of, by the watcher's own clock: when its lease or what it says of itself was seen to change.
///
/// A lease's time is of its node's clock, which may be minutes off: it is compared only with itself. Leases and nodes come over
/// different watches, and either may be late: a node that has just said that it is ready isn't silent because its lease is
/// still on its way. A process that has just begun gives every node the whole grace, as it can't know for how long things have
/// been as they are.
final class NodeBeats: Sendable {
    private struct Beat {
        var said: [String?]
        var seen: WallTime
    }

    private let beats = Mutex<[String: Beat]>([:])

    /// Nothing seen yet.
    init() {}

    /// Takes in a node and its lease as they are now; answers since when they have said the same, `nil` where neither has ever said
    /// anything.
    func seen(_ name: String, lease: KubeObject?, node: KubeObject, now: WallTime) -> WallTime? {
        let said = [
            lease?["spec", "renewTime"]?.string, node.condition("Ready")?["lastHeartbeatTime"]?.string,
        ]
        guard said.contains(where: { $0 != nil }) else { return nil }
        return beats.withLock { beats in
            if let beat = beats[name], beat.said == said { return beat.seen }
            beats[name] = Beat(said: said, seen: now)
            return now
        }
    }

    /// Forgets a node that is gone.
    func forget(_ node: String) { beats.withLock { $0[node] = nil } }
}
