// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Rollouts

extension ModelObservation {
    /// The revision that gets what the routes give to the canary: the one that the canary Service selects, which of a rollout that took the
    /// place of another is the canary before for a while.
    var routedRevision: Int? { RolloutRouting.selected(canaryService) ?? rollout?.canaryRevision }

    /// The revisions whose replicas are one count while the tracks share the load; none while they don't.
    var sharingRevisions: Set<Int> {
        guard let rollout, rollout.isSharing else { return [] }
        return Set([rollout.stableRevision, routedRevision].compactMap(\.self))
    }

    /// Whether all that reaches a revision are copies of requests, which another one answers: they are no demand.
    func getsOnlyCopies(_ revision: Int) -> Bool {
        guard let rollout, rollout.strategy == .shadow, [rollout.canaryRevision, routedRevision].contains(revision)
        else {
            return false
        }
        return rollout.desiredWeight == 0 && rollout.achievedWeight ?? 0 == 0 && !isSelected(revision)
    }

    /// Whether requests are sent to a revision, as far as is known, so that its replicas show what one does.
    ///
    /// A track that waits for its turn, or for its end, may have as many replicas as the one that serves, and nothing to do.
    func carries(_ revision: Int) -> Bool {
        // The count is then one of both tracks, and so are those that report.
        if sharingRevisions.contains(revision) { return true }
        if isSelected(revision) { return !isRoutedPast(revision) }
        guard let rollout, routedRevision == revision else { return false }
        return rollout.desiredWeight > 0 || rollout.achievedWeight ?? 0 > 0 || rollout.sendsMatches
    }

    /// Whether a revision is known to get no requests, while others may.
    func isBypassed(_ revision: Int) -> Bool { service != nil && !carries(revision) }

    /// Whether the routes give another revision all that comes for the model's Service, which still selects this one.
    private func isRoutedPast(_ revision: Int) -> Bool {
        guard let rollout, selectedRevision == revision, let routedRevision, routedRevision != revision else {
            return false
        }
        return rollout.desiredWeight == 100 && rollout.achievedWeight == 100
    }

    /// Whether the model's Service sends requests to a revision; one that names no revision sends them to all.
    private func isSelected(_ revision: Int) -> Bool {
        service != nil && selectedRevision ?? revision == revision
    }
}
