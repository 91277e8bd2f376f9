// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts
import Testing

/// What becomes of an analysis whose operator was away.
extension RolloutMachineTests {
    @Test(
        "what nobody looked at is no time of the analysis: its end is decided by what was seen",
        arguments: [(AnalysisFallback.promote, RolloutState.Phase.settled), (.rollback, .rolledBack)]
    )
    func away(rule: AnalysisFallback, phase: RolloutState.Phase) {
        let plan = Self.canary([.setWeight(50), .analysis(.seconds(60))]) {
            $0.onNoData = rule
            $0.onInconclusive = rule
        }
        var world = Self.world(plan)
        world.isWatched = true
        Self.run(&world)
        let end = world.state?.deadline
        for _ in 0..<2 {
            world.pass(.seconds(10))
            Self.run(&world)
        }
        #expect(world.state?.phase == .analyzing && world.state?.deadline == end, "nobody was away yet")
        for left in [30, 20] {
            world.pass(.seconds(3600))
            Self.run(&world)
            #expect(world.state?.phase == .analyzing)
            #expect(world.state?.deadline == world.time + .seconds(left))
        }
        for _ in 0..<2 {
            world.pass(.seconds(10))
            Self.run(&world)
        }
        world.pass(.seconds(6))
        Self.run(&world)
        #expect(world.state?.phase == phase)
    }

    @Test("the next step's analysis begins when that is reached")
    func awayBefore() {
        var world = Self.world(
            Self.canary([.setWeight(25), .analysis(.seconds(60)), .setWeight(50), .analysis(.seconds(60))])
        )
        world.isWatched = true
        Self.run(&world)
        world.pass(.seconds(3600))
        Self.run(&world)
        world.ask(.promote)
        Self.run(&world)
        #expect(world.state?.stepIndex == 3 && world.state?.deadline == world.time + .seconds(60))
    }
}
