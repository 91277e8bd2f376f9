// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Rollouts

extension ModelObservation {
    /// Whether all that reaches a revision are copies of requests, which another one answers: they are no demand.
    func getsOnlyCopies(_ revision: Int) -> Bool {
        guard let rollout, rollout.strategy == .shadow, rollout.canaryRevision == revision else { return false }
        return rollout.desiredWeight == 0 && rollout.achievedWeight ?? 0 == 0 && !isSelected(revision)
    }

    /// Whether the model's Service sends requests to a revision; one that names no revision sends them to all.
    private func isSelected(_ revision: Int) -> Bool {
        service != nil && selectedRevision ?? revision == revision
    }
}
