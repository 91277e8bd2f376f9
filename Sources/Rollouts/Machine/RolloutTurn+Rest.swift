// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// A canary that waits beside a model that nobody uses sleeps with it: first its share goes, so that the next request meets no
/// replica and wakes the model, then its pods. The first request brings both tracks back, and the step goes on where it was.
extension RolloutTurn {
    /// Whether the canary sleeps, or is on its way to.
    ///
    /// | the canary | sleeps |
    /// | --- | --- |
    /// | has what its step asks for, and waits for a time, a person or the judge | yes |
    /// | isn't ready for its step yet, or takes over | no: it has something to do |
    /// | is the preview of `BlueGreen` | no: its testers come to its own Service, which wakes nothing |
    var sleeps: Bool {
        guard seen.isAtRest, let state, state.reachedAt != nil, !state.isReplacing, !state.isSharing, !isDraining,
            plan.strategy == .canary || plan.strategy == .shadow
        else { return false }
        switch step {
        case .pause?, .analysis?: return true
        case .setWeight?, .setReplicas?, .mirror?: return plan.isPaused
        case nil: return false
        }
    }

    /// Notes since when nothing reaches a canary that sleeps: its addresses may still be in use for a while.
    mutating func noteRest() {
        guard sleeps, !seen.traffic.isAttached else {
            state?.drainedAt = nil
            return
        }
        let since = state?.drainedAt ?? now
        state?.drainedAt = since
        let rest = RolloutPlan.drain - (now - since)
        if rest > .zero { decision.look(in: rest) }
    }

    /// The replicas of a canary that sleeps: none, once nothing reaches it any more.
    var sleepingReplicas: Int {
        guard let since = state?.drainedAt else { return 1 }
        return now - since >= RolloutPlan.drain ? 0 : 1
    }
}
