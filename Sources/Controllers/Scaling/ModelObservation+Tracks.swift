// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Rollouts

extension ModelObservation {
    /// Whether all that reaches a revision are copies of requests, which another one answers: they are no demand.
    func getsOnlyCopies(_ revision: Int) -> Bool {
        guard let rollout, rollout.strategy == .shadow, rollout.canaryRevision == revision else { return false }
        return rollout.desiredWeight == 0 && rollout.achievedWeight ?? 0 == 0 && !isSelected(revision)
    }

    /// Whether requests are sent to a revision, as far as is known, so that its replicas show what one does.
    ///
    /// A track that waits for its turn, or for its end, may have as many replicas as the one that serves, and nothing to do.
    func carries(_ revision: Int) -> Bool {
        if isSelected(revision) { return true }
        guard let rollout else { return false }
        let isCanary = rollout.canaryRevision == revision
        // The count is then one of both tracks, and so are those that report.
        if rollout.isSharing, isCanary || rollout.stableRevision == revision { return true }
        return isCanary && (rollout.desiredWeight > 0 || rollout.achievedWeight ?? 0 > 0 || rollout.sendsMatches)
    }

    /// Whether the model's Service sends requests to a revision; one that names no revision sends them to all.
    private func isSelected(_ revision: Int) -> Bool {
        service != nil && selectedRevision ?? revision == revision
    }
}
