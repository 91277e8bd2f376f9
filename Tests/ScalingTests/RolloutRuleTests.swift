// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts
import Testing

@Suite("Rollout rule")
struct RolloutRuleTests {
    private static let now = WallTime(seconds: 1_000_000)

    private func step(
        stable: RevisionState?,
        wanted: RevisionState,
        age: Int = 10
    ) -> RolloutStep {
        RolloutRule.step(
            RolloutObservation(
                time: Self.now,
                stable: stable,
                wanted: wanted,
                startedAt: Self.now - .seconds(age),
                progressDeadline: .seconds(600)
            )
        )
    }

    @Test("ready first, then traffic, then shrink")
    func order() {
        let stable = RevisionState(number: 3, replicas: 4, readyReplicas: 4)
        #expect(step(stable: nil, wanted: RevisionState(number: 1, replicas: 0, readyReplicas: 0)) == .first)
        #expect(step(stable: stable, wanted: stable) == .settled)
        let fresh = RevisionState(number: 4, replicas: 0, readyReplicas: 0)
        #expect(step(stable: stable, wanted: fresh) == .bringUp(replicas: 4))
        let half = RevisionState(number: 4, replicas: 4, readyReplicas: 3)
        #expect(step(stable: stable, wanted: half) == .bringUp(replicas: 4))
        let ready = RevisionState(number: 4, replicas: 4, readyReplicas: 4)
        #expect(step(stable: stable, wanted: ready) == .switchTraffic)
    }

    @Test("failing pods and a passed deadline keep the old revision")
    func failing() {
        let stable = RevisionState(number: 3, replicas: 2, readyReplicas: 2)
        let broken = RevisionState(number: 4, replicas: 2, readyReplicas: 0, failure: "the image can't be pulled")
        guard case .failing(2, let reason) = step(stable: stable, wanted: broken) else {
            Issue.record("a failing pod must fail the rollout")
            return
        }
        #expect(reason.contains("the image can't be pulled"))
        let slow = RevisionState(number: 4, replicas: 2, readyReplicas: 1)
        #expect(step(stable: stable, wanted: slow, age: 599) == .bringUp(replicas: 2))
        guard case .failing(_, let late) = step(stable: stable, wanted: slow, age: 601) else {
            Issue.record("a passed deadline must fail the rollout")
            return
        }
        #expect(late.contains("600 s"))
    }
}
