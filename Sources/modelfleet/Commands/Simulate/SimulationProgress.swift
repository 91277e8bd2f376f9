// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How far a simulation is, on a terminal; elsewhere it says nothing, since hundreds of bars in a log help nobody.
struct SimulationProgress: Sendable {
    private static let width = 30
    private let isShown = isatty(STDERR_FILENO) == 1
    private let line = StatusLine()
    private let steps: Int

    init(steps: Int) { self.steps = max(1, steps) }

    func show(_ name: String, step: Int, share: Double) {
        guard isShown else { return }
        let whole = (Double(step) + share) / Double(steps)
        let filled = Int(whole * Double(Self.width))
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: Self.width - filled)
        line.show("[\(bar)] \(Int(whole * 100)) %  \(name)")
    }

    func clear() { line.clear() }
}
