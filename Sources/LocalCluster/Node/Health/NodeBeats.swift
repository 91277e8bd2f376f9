// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Synchronization

/// When each node's lease was last seen to change, by the watcher's own clock.
///
/// A lease's time is of its node's clock, which may be minutes off: it is compared only with itself. A process that has just
/// begun gives every node the whole grace, as it can't know for how long a lease has been as it is.
final class NodeBeats: Sendable {
    private struct Beat {
        var renewed: String
        var seen: WallTime
    }

    private let beats = Mutex<[String: Beat]>([:])

    /// Nothing seen yet.
    init() {}

    /// Takes in a node's lease as it is now, by its `renewTime`; answers since when it has been so.
    func seen(_ node: String, renewed: String, now: WallTime) -> WallTime {
        beats.withLock { beats in
            if let beat = beats[node], beat.renewed == renewed { return beat.seen }
            beats[node] = Beat(renewed: renewed, seen: now)
            return now
        }
    }

    /// Forgets a node that is gone.
    func forget(_ node: String) { beats.withLock { $0[node] = nil } }
}
