// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts
import Testing

/// A model that goes to sleep in the midst of a rollout.
extension RolloutMachineTests {
    /// Lets the model go to sleep at a step that was reached, and its canary with it.
    private static func fallAsleep(_ world: inout RolloutWorld) {
        world.scale(to: 0)
        run(&world)
        world.pass(.seconds(6))
        run(&world)
    }

    @Test(
        "a canary that waits sleeps with the model, whoever shares the requests, and has its share again when the model wakes",
        arguments: [false, true]
    )
    func sleeps(byPods: Bool) {
        let steps: [RolloutStep] = [.setWeight(50), .pause(nil)]
        var world = RolloutWorld(plan: Self.canary(steps), demand: 2, sharesByPods: byPods)
        world.newSpec(broken: false)
        Self.run(&world)
        let (reached, deadline) = (world.state?.reachedAt, world.state?.deadline)
        #expect(world.state?.phase == .paused && reached != nil)
        world.scale(to: 0)
        Self.run(&world)
        #expect(world.weight == 0 && world.root == 1, "the next request meets no replica")
        #expect(world.workloads[2]?.ready == 1, "addresses may still be in use")
        world.pass(.seconds(6))
        Self.run(&world)
        #expect(world.workloads[2] == RolloutWorld.Workload(asked: 0, ready: 0, lostAt: world.workloads[2]?.lostAt))
        #expect(world.state?.phase == .paused && world.state?.reachedAt == reached)
        let message =
            "step 2 of 2: revision 2 (version 2) sleeps with the model, which nobody uses; the first request wakes both"
        #expect(world.state?.message == message)
        #expect(world.state?.deadline == deadline, "sleeping ends no wait, and makes none longer")
        world.pass(.seconds(3600))
        world.scale(to: 2)
        Self.run(&world)
        #expect(world.workloads[2]?.ready ?? 0 > 0 && world.state?.phase == .paused)
        #expect(byPods ? world.root == nil : world.weight == 50)
        #expect(world.state?.reachedAt == reached && world.state?.restedWeight == nil)
        #expect(world.violations.isEmpty, "\(world.violations)")
        world.ask(.promote)
        Self.run(&world)
        #expect(world.state?.phase == .settled && world.root == 2)
    }

    @Test("a rollout that a person holds has the share again that it had, and goes on from there")
    func sleepsWhileHeld() {
        var world = Self.world(Self.canary([.setWeight(25), .pause(.seconds(60)), .setWeight(50), .pause(nil)]))
        Self.run(&world)
        world.plan.isPaused = true
        Self.fallAsleep(&world)
        #expect(world.workloads[2]?.asked == 0 && world.weight == 0)
        #expect(world.state?.message.hasSuffix("; spec.rollout.paused is true") == true)
        world.scale(to: 4)
        Self.run(&world)
        #expect(world.workloads[2]?.asked == 1 && world.weight == 25)
        world.plan.isPaused = false
        world.pass(.seconds(61))
        Self.run(&world)
        #expect(world.weight == 50 && world.state?.phase == .paused)
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    @Test("a sleeping canary is given up, and taken over, as one that is awake")
    func endsAsleep() {
        for action in [RolloutRequest.Action.abort, .promote, .promoteFull] {
            var world = Self.world(Self.canary([.setWeight(25), .pause(nil)]))
            Self.run(&world)
            Self.fallAsleep(&world)
            #expect(world.workloads[2]?.asked == 0)
            world.ask(action)
            Self.run(&world)
            world.pass(.seconds(6))
            Self.run(&world)
            #expect(world.state?.phase == (action == .abort ? .rolledBack : .settled), "\(action)")
            #expect(world.root == (action == .abort ? 1 : 2) && world.weight == 0)
            #expect(world.violations.isEmpty, "\(world.violations)")
        }
    }

    @Test("what has something to do stays awake: a canary that isn't ready for its step, and a preview")
    func staysAwake() {
        var world = Self.world(Self.canary([.setWeight(25), .pause(nil)]))
        world.catchUp()
        world.reconcile()
        world.scale(to: 0)
        Self.run(&world)
        #expect(world.state?.reachedAt != nil, "it got ready for its step")
        var preview = RolloutWorld(plan: RolloutPlan(strategy: .blueGreen, autoPromotes: false), demand: 2)
        preview.newSpec(broken: false)
        Self.run(&preview)
        Self.fallAsleep(&preview)
        #expect(preview.workloads[2]?.ready == 1)
    }

    @Test("a stable track that gave replicas up has none left where there is no demand")
    func sharedRest() {
        var world = Self.world(Self.canary([.setWeight(50), .pause(nil)]) { $0.dynamicStableScale = true })
        Self.run(&world)
        #expect(world.state?.isSharing == true && world.workloads[1]?.asked == 2)
        world.scale(to: 0)
        Self.run(&world)
        // The scaling has the count again.
        #expect(world.state?.isSharing == false)
        Self.fallAsleep(&world)
        #expect(world.workloads[1]?.asked == 0 && world.workloads[2]?.asked == 0)
        #expect(world.violations.isEmpty, "\(world.violations)")
    }
}
