// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts
import Testing

/// What a person asks of a rollout.
extension RolloutMachineTests {
    @Test(
        "only what is a request is read as one",
        arguments: [
            "", "promote", "promote 3/1", "promote 3 x", "promote 3/x n", "fly 3/1 n", "promote -3/1 n",
            "promote 3/1/2 n",
            "promote 3/1 ", "promote  3/1 n", String(repeating: "a", count: 200),
            "promote 3/9223372036854775807 n", "promote 3/2147483648 n", "promote 9223372036854775807/1 n",
        ]
    )
    func malformed(text: String) { #expect(RolloutRequest(text) == nil) }

    @Test("a step at the end of the numbers is one that the rollout isn't at")
    func farStep() {
        var world = Self.world(Self.canary([.setWeight(10), .pause(nil)]))
        Self.run(&world)
        world.request = RolloutRequest("promote 2/2147483647 n")
        Self.run(&world)
        let last = world.events.last { $0.reason == "RequestIgnored" }
        #expect(last?.message.hasSuffix("it was at step 2147483648 then, and is at step 2 now") == true)
    }

    /// A world whose canary is on its way back, because a person asked for it.
    private static func aborting() -> RolloutWorld {
        var world = world(canary([.setWeight(50), .pause(nil)]))
        run(&world)
        world.ask(.abort)
        world.catchUp()
        world.reconcile()
        world.reconcile()
        return world
    }

    @Test("a wish to retry waits while the rollout is paused, and is done when it goes on")
    func retryWhilePaused() {
        var world = Self.aborting()
        world.pass(.seconds(6))
        Self.run(&world)
        #expect(world.state?.phase == .rolledBack)
        world.plan.isPaused = true
        world.ask(.retry)
        Self.run(&world)
        #expect(world.state?.phase == .rolledBack && world.state?.outcome == .aborted)
        #expect(world.state?.handledRequest != world.request?.text)
        #expect(!world.events.contains { $0.reason == "RequestIgnored" })
        world.plan.isPaused = false
        Self.run(&world)
        #expect(world.state?.phase == .paused && world.weight == 50)
    }

    @Test("a wish to retry that comes on the way back is done once nothing of the canary serves any more")
    func retryWhileRollingBack() {
        var world = Self.aborting()
        #expect(world.state?.phase == .rollingBack)
        world.ask(.retry)
        Self.run(&world)
        #expect(world.state?.phase == .rollingBack && world.weight == 0)
        world.pass(.seconds(6))
        Self.run(&world)
        #expect(world.history.map(\.outcome) == [.aborted])
        #expect(world.state?.phase == .paused && world.weight == 50)
        #expect(world.state?.handledRequest == world.request?.text)
        #expect(!world.events.contains { $0.reason == "RequestIgnored" })
    }

    @Test("a spec that waited and was set back isn't said to wait")
    func heldAndSetBack() {
        var world = Self.world(Self.canary([.setWeight(50), .pause(nil)]) { $0.isPaused = true })
        Self.run(&world)
        #expect(world.state?.message == "revision 2 (version 2) waits: spec.rollout.paused is true")
        world.stableSpec()
        Self.run(&world)
        #expect(world.state?.phase == .settled && world.state?.message == "revision 1 serves all requests")
    }

    @Test("what of the wish has no effect is said beside what is going on")
    func remark() {
        var world = Self.world(Self.canary([.setWeight(10), .pause(nil)]))
        Self.run(&world)
        let observation = RolloutObservation(
            time: world.time,
            plan: world.plan,
            state: world.state,
            stable: RevisionState(number: 1, replicas: 4, readyReplicas: 4),
            wanted: RevisionState(number: 2, replicas: 1, readyReplicas: 1),
            traffic: TrafficObservation(rootRevision: 1, canaryRevision: 2, weight: 10)
        )
        var remarked = observation
        remarked.traffic.remark = "sticky has no effect"
        let plain = RolloutMachine.next(observation).state
        let state = RolloutMachine.next(remarked).state
        #expect(plain?.message.isEmpty == false && state?.phase == .paused)
        #expect(state?.message == plain.map { "\($0.message); sticky has no effect" })
    }

    @Test("each action is read")
    func wellFormed() {
        for action in RolloutRequest.Action.allCases {
            let request = RolloutRequest("\(action.rawValue) 12/3 abc")
            #expect(request?.action == action && request?.revision == 12 && request?.step == 3)
        }
    }
}
