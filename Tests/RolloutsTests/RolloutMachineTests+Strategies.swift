// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts
import Testing

/// What strategies other than the plain canary do, and rollouts of a model that nobody uses.
extension RolloutMachineTests {
    @Test("dynamicStableScale gives replicas up behind the weight, and has them back before it returns")
    func dynamic() {
        var world = Self.world(Self.canary([.setWeight(50), .pause(nil)]) { $0.dynamicStableScale = true })
        Self.run(&world)
        #expect(world.workloads[1]?.asked == 2 && world.weight == 50 && world.state?.isSharing == true)
        world.ask(.abort)
        world.reconcile()
        #expect(world.workloads[1]?.asked == 4 && world.weight == 50)
        world.getReady()
        world.reconcile()
        #expect(world.weight == 25)
        world.getReady()
        world.reconcile()
        #expect(world.weight == 0)
    }

    @Test("with dynamicStableScale a step to a smaller weight has its stable replicas back first")
    func dynamicReturn() {
        let steps: [RolloutStep] = [.setWeight(50), .pause(.seconds(30)), .setWeight(25), .pause(nil)]
        var world = Self.world(Self.canary(steps) { $0.dynamicStableScale = true }, demand: 3)
        Self.run(&world)
        #expect(world.workloads[1]?.asked == 2 && world.weight == 50)
        world.pass(.seconds(31))
        Self.run(&world)
        #expect(world.workloads[1]?.asked == 3 && world.weight == 25 && world.state?.phase == .paused)
    }

    @Test(
        "where the pods share the requests the stable track stays whole: fewer of it would be a larger share for the canary"
    )
    func dynamicByPods() {
        let plan = Self.canary([.setWeight(50), .pause(nil)]) { $0.dynamicStableScale = true }
        var world = RolloutWorld(plan: plan, demand: 4, sharesByPods: true)
        world.newSpec(broken: false)
        Self.run(&world)
        #expect(world.state?.phase == .paused && world.state?.isSharing == false)
        #expect(world.workloads[1]?.asked == 4 && world.workloads[2]?.asked == 4)
    }

    @Test("BlueGreen has a full preview, then everything at once; without autoPromote a person switches")
    func blueGreen() {
        var world = Self.world(RolloutPlan(strategy: .blueGreen, judges: false, autoPromotes: false))
        Self.run(&world)
        #expect(world.state?.phase == .paused && world.service == 2 && world.workloads[2]?.ready == 4)
        #expect(world.root == 1 && world.weight == 0)
        world.ask(.promote)
        Self.run(&world)
        #expect(world.root == 2 && world.service == nil)
    }

    @Test("a preview is looked at as often as a canary: its checks are asked, and one that fails rolls it back")
    func blueGreenChecks() {
        var world = Self.world(RolloutPlan(strategy: .blueGreen))
        Self.run(&world)
        #expect(world.state?.phase == .analyzing && world.root == 1)
        #expect(world.last?.recheck.map { $0 <= .seconds(10) } == true)
        world.verdict = .worse
        world.reconcile()
        #expect(world.state?.phase == .rollingBack)
    }

    @Test("Shadow mirrors everything and has no weight before the switch")
    func shadow() {
        var world = Self.world(RolloutPlan(strategy: .shadow))
        Self.run(&world)
        #expect(world.state?.phase == .analyzing && world.mirror == 100 && world.weight == 0 && world.root == 1)
        world.ask(.promoteFull)
        Self.run(&world)
        #expect(world.root == 2 && world.mirror == 0)
    }

    @Test("nobody uses the model: no step has anything to wait for")
    func atRest() {
        var world = RolloutWorld(plan: Self.canary([.setWeight(10), .analysis(nil)]), demand: 0)
        world.newSpec(broken: false)
        Self.run(&world)
        #expect(world.root == 2 && world.state?.phase == .settled)
    }

    @Test("where the pods share the requests a rollback ends when nothing is asked of the model any more")
    func backAtRest() {
        var world = RolloutWorld(plan: Self.canary([.setWeight(50), .pause(nil)]), demand: 2, sharesByPods: true)
        world.newSpec(broken: false)
        Self.run(&world)
        #expect(world.state?.phase == .paused && world.root == nil)
        world.scale(to: 0)
        world.ask(.abort)
        Self.run(&world)
        world.pass(.seconds(6))
        Self.run(&world)
        #expect(world.state?.phase == .rolledBack && world.root == 1 && world.workloads[2]?.asked == 0)
    }
}
