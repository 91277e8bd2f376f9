// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import LoadGeneration
import Synchronization

/// The demo's load while it runs, for the progress lines.
final class LoadInProgress: Sendable {
    private struct State {
        var text = ""
        var isOver = false
    }

    private let state = Mutex(State())

    /// The newest line.
    var text: String { state.withLock { $0.text } }

    /// Whether the last request has been answered.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// Carries out the plan, with connections of a second, so that new replicas get their share at once.
    func run(_ plan: LoadPlan, _ request: LoadRequest) async -> LatencySummary {
        let summary = await Load(connectionLifetime: .seconds(1)).run(plan, request) { [self] progress in
            state.withLock { $0.text = progress.text }
        }
        state.withLock { $0.isOver = true }
        return summary
    }
}
