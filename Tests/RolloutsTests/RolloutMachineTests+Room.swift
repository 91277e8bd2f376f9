// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts
import Testing

/// Nodes without room for a second track.
extension RolloutMachineTests {
    @Test("without room one replica after the other is replaced, after a minute; never more than one is missing")
    func replacing() {
        for byPods in [false, true] {
            var world = RolloutWorld(plan: RolloutPlan(), demand: 4, sharesByPods: byPods, room: 4)
            world.newSpec(broken: false)
            Self.run(&world)
            #expect(world.state?.isReplacing == false && world.root == 1)
            world.pass(.seconds(61))
            for _ in 0..<40 {
                world.catchUp()
                world.reconcile()
                let ready = world.workloads.values.reduce(0) { $0 + $1.ready }
                #expect(ready >= 3, "\(world.workloads)")
                for _ in 0..<4 { world.getReady() }
            }
            #expect(world.root == 2 && world.workloads[1] == nil && world.workloads[2]?.ready == 4)
            #expect(world.violations.isEmpty)
        }
    }

    @Test(
        "without room a good canary is promoted, one replica after the other, however many there are",
        arguments: [2, 3, 4, 5, 7, 10, 33, 150]
    )
    func replacedCanary(demand: Int) {
        for steps in [[RolloutStep.setWeight(50)], [.setWeight(10), .setWeight(25), .setWeight(100)], []] {
            var world = RolloutWorld(plan: Self.canary(steps), demand: demand, room: demand)
            world.newSpec(broken: false)
            for _ in 0..<4 * demand + 40 {
                world.catchUp()
                world.reconcile()
                for _ in 0..<4 { world.getReady() }
                world.pass(.seconds(21))
            }
            #expect(world.state?.phase == .settled && world.root == 2, "\(steps): \(world.state?.message ?? "")")
            #expect(world.workloads[1] == nil && world.workloads[2]?.ready == demand)
            #expect(world.violations.isEmpty)
        }
    }

    @Test(
        "without room, where the pods share the requests, a step replaces as many replicas as its share is",
        arguments: [(2, 1), (3, 2), (4, 2), (5, 3), (10, 5)]
    )
    func replacedByPods(demand: Int, half: Int) {
        let plan = Self.canary([.setWeight(50), .pause(nil)])
        var world = RolloutWorld(plan: plan, demand: demand, sharesByPods: true, room: demand)
        world.newSpec(broken: false)
        func work(_ rounds: Int) {
            for _ in 0..<rounds {
                world.catchUp()
                world.reconcile()
                let ready = world.workloads.values.reduce(0) { $0 + $1.ready }
                #expect(ready >= demand - 1, "\(world.workloads)")
                for _ in 0..<4 { world.getReady() }
                world.pass(.seconds(10))
            }
        }
        work(40)
        #expect(world.state?.phase == .paused && world.root == nil, "\(world.state?.message ?? "")")
        #expect(world.workloads[1]?.ready == demand - half && world.workloads[2]?.ready == half)
        world.ask(.promote)
        work(40)
        #expect(world.root == 2 && world.workloads[1] == nil && world.workloads[2]?.ready == demand)
        #expect(world.violations.isEmpty)
    }

    @Test(
        "without room a preview and a shadow get no request, and are rolled back at the deadline",
        arguments: [RolloutStrategy.shadow, .blueGreen]
    )
    func noRoomForPreview(strategy: RolloutStrategy) {
        for surge in [RolloutSurge.auto, .never] {
            var world = RolloutWorld(plan: RolloutPlan(strategy: strategy, surge: surge), demand: 4, room: 4)
            world.newSpec(broken: false)
            for _ in 0..<70 {
                Self.run(&world, rounds: 1)
                #expect(world.weight == 0 && world.root == 1 && world.workloads[1]?.ready == 4)
                world.pass(.seconds(10))
            }
            #expect(world.events.count { $0.reason == "NoRoom" } == 1)
            #expect(world.events.contains { $0.reason == "NoRoom" && $0.message.hasSuffix("one after the other") })
            #expect(world.state?.phase == .rolledBack)
        }
    }

    @Test("a shadow in place of a canary that had replaced replicas gives the stable track its room back first")
    func shadowSupersedes() {
        var world = RolloutWorld(plan: Self.canary([.setWeight(50), .pause(nil)]), demand: 4, room: 4)
        world.newSpec(broken: false)
        func work(_ rounds: Int) {
            for _ in 0..<rounds {
                Self.run(&world, rounds: 1)
                world.pass(.seconds(10))
            }
        }
        work(30)
        #expect(world.state?.phase == .paused && world.state?.isReplacing == true && world.weight >= 50)
        world.plan = RolloutPlan(strategy: .shadow)
        world.newSpec(broken: false)
        work(30)
        #expect(world.workloads[1]?.ready == 4 && world.weight == 0 && world.workloads[2] == nil)
        #expect(world.state?.isReplacing == false && world.violations.isEmpty)
    }

    @Test("replacing ends where the stable track is to stay whole after all, and nothing is lost by it")
    func replacingEnds() {
        for byPods in [false, true] {
            let plan = Self.canary([.setWeight(50), .pause(nil)])
            var world = RolloutWorld(plan: plan, demand: 4, sharesByPods: byPods, room: 4)
            world.newSpec(broken: false)
            func work(_ rounds: Int) {
                for _ in 0..<rounds {
                    Self.run(&world, rounds: 1)
                    #expect(world.workloads.values.reduce(0) { $0 + $1.ready } >= 3)
                    world.pass(.seconds(10))
                }
            }
            work(30)
            #expect(world.state?.isReplacing == true && world.workloads[1]?.asked == 2)
            // Somebody else scales the Deployment now.
            world.plan.keepStableWhole()
            work(2)
            #expect(world.state?.isReplacing == false && world.workloads[1]?.asked == 4)
            world.room = 8
            work(10)
            #expect(world.state?.isSharing == false && world.state?.phase == .paused)
            #expect(world.workloads[1]?.ready == 4 && world.violations.isEmpty)
        }
    }

    @Test("one replica and no room is a deadlock, and is said; surge Never interrupts")
    func deadlock() {
        var world = RolloutWorld(plan: RolloutPlan(), demand: 1, room: 1)
        world.newSpec(broken: false)
        Self.run(&world)
        world.pass(.seconds(61))
        Self.run(&world)
        #expect(world.workloads[1]?.ready == 1 && world.root == 1)
        #expect(world.events.contains { $0.reason == "NoRoom" && $0.message.contains("spec.rollout.surge") })
        #expect(world.events.count { $0.reason == "NoRoom" } == 1)
        world.plan.surge = .never
        Self.run(&world)
        #expect(world.root == 2 && world.workloads[2]?.ready == 1)
    }
}
