// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Synchronization

/// The targets of one listener, with how many connections each has: the least busy is next, ties are drawn.
final class TargetChooser: Sendable {
    private struct State {
        var targets: [ServiceTarget] = []
        var connections: [ServiceTarget: Int] = [:]
    }

    private let random: any RandomSource
    private let state = Mutex(State())

    /// A chooser without a target.
    init(random: any RandomSource) { self.random = random }

    /// Takes in new targets; connections to old ones stay as they are.
    func update(_ targets: [ServiceTarget]) { state.withLock { $0.targets = targets } }

    /// Whether there is a target that isn't among `tried`.
    func hasTarget(except tried: Set<ServiceTarget>) -> Bool {
        state.withLock { $0.targets.contains { !tried.contains($0) } }
    }

    /// The next target that isn't among `tried`, with a connection counted on it; `nil` when there is none.
    func take(except tried: Set<ServiceTarget>) -> ServiceTarget? {
        let draw = random.next()
        return state.withLock { state in
            let open = state.targets.filter { !tried.contains($0) }
            guard let least = open.map({ state.connections[$0] ?? 0 }).min() else { return nil }
            let best = open.filter { state.connections[$0] ?? 0 == least }
            let target = best[Int(draw % UInt64(best.count))]
            state.connections[target, default: 0] += 1
            return target
        }
    }

    /// Notes that a connection to `target` has ended.
    func release(_ target: ServiceTarget) {
        state.withLock { state in
            let left = (state.connections[target] ?? 1) - 1
            state.connections[target] = left > 0 ? left : nil
        }
    }
}
