// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts
import Testing

/// What is told of the canary's share.
extension RolloutMachineTests {
    @Test("the event says the share that the canary is seen to have, once it has it")
    func toldWeight() {
        var world = Self.world(Self.canary([.setWeight(10), .pause(nil), .setWeight(40), .pause(nil)]))
        func told(_ world: RolloutWorld) -> [String] {
            world.events.filter { $0.reason == "WeightChanged" }.map(\.message)
        }
        while world.state?.desiredWeight ?? 0 == 0 {
            world.catchUp()
            // Once the share may move, the state is written, and the route isn't.
            let mayMove = world.service == 2 && world.workloads[2]?.ready ?? 0 > 0
            world.reconcile(crashAfter: mayMove ? 1 : .max)
            world.getReady()
        }
        #expect(world.weight == 0 && told(world).isEmpty, "\(told(world))")
        Self.run(&world)
        #expect(told(world) == ["revision 2 (version 2) has 10 % of the requests, after 0 %"])
        world.ask(.promote)
        Self.run(&world)
        #expect(told(world).dropFirst() == ["revision 2 (version 2) has 40 % of the requests, after 10 %"])
        world.newSpec(broken: false)
        Self.run(&world)
        #expect(told(world).dropFirst(2) == ["revision 3 (version 3) has 10 % of the requests, after 0 %"])
    }

    @Test("where the pods share the requests the event says what comes of it, and nothing of what scaling does later")
    func toldShare() {
        var world = RolloutWorld(plan: Self.canary([.setWeight(10), .pause(nil)]), demand: 2, sharesByPods: true)
        world.newSpec(broken: false)
        Self.run(&world)
        world.scale(to: 5)
        Self.run(&world)
        let told = world.events.filter { $0.reason == "WeightChanged" }.map(\.message)
        #expect(told == ["revision 2 (version 2) has 33 % of the requests (10 % wanted), after 0 %"])
    }
}
