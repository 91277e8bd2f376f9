// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts
import Testing

/// What is said of what a rollout lacks.
extension RolloutMachineTests {
    private struct Late: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var plan: RolloutPlan
        var traffic: TrafficObservation
        var weight = 0
        var reason: String
    }

    private static let late = [
        Late(
            testDescription: "a mirror",
            plan: RolloutPlan(strategy: .shadow),
            traffic: TrafficObservation(rootRevision: 1, canaryRevision: 2),
            reason: "no requests are mirrored to revision 2 within 600 s (progressDeadlineSeconds)"
        ),
        Late(
            testDescription: "all requests",
            plan: RolloutPlan(strategy: .canary, steps: []),
            traffic: TrafficObservation(rootRevision: 1, canaryRevision: 2, weight: 50, achieved: 50),
            weight: 100,
            reason: "the routes do not give revision 2 its 100 % within 600 s (progressDeadlineSeconds)"
        ),
        Late(
            testDescription: "a share",
            plan: RolloutPlan(strategy: .canary, steps: [.setWeight(50)]),
            traffic: TrafficObservation(rootRevision: 1, canaryRevision: 2, weight: 10, achieved: 10),
            weight: 50,
            reason: "the routes do not give revision 2 its 50 % within 600 s (progressDeadlineSeconds)"
        ),
        Late(
            testDescription: "what another canary has",
            plan: RolloutPlan(strategy: .blueGreen, judges: false),
            traffic: TrafficObservation(rootRevision: 1, canaryRevision: 3, weight: 10, achieved: 10),
            reason:
                "the requests of revision 3, which came before it, do not go back within 600 s (progressDeadlineSeconds)"
        ),
    ]

    @Test("a deadline that is over says what is lacking, which isn't always a replica", arguments: late)
    private func lateness(_ row: Late) {
        var state = RolloutState(settledOn: 1, strategy: row.plan.strategy)
        state.phase = .progressing
        state.canaryRevision = 2
        state.stepCount = row.plan.steps.count
        state.desiredWeight = row.weight
        state.lackingSince = Self.now
        state.readySeen = 4
        state.neededSeen = 4
        let decision = RolloutMachine.next(
            RolloutObservation(
                time: Self.now + .seconds(601),
                plan: row.plan,
                state: state,
                stable: RevisionState(number: 1, replicas: 4, readyReplicas: 4),
                wanted: RevisionState(number: 2, replicas: 4, readyReplicas: 4),
                traffic: row.traffic,
                others: [RevisionState(number: 3, replicas: 1, readyReplicas: 1)]
            )
        )
        #expect(decision.state?.phase == .rollingBack)
        #expect(decision.state?.reason == row.reason)
    }

    @Test("a spec that is given up again and again keeps the first reason, said once")
    func givenUpAgain() {
        var world = Self.world(Self.canary([.setWeight(50), .pause(nil)]))
        Self.run(&world)
        let bad = world.wanted
        world.verdict = .worse
        world.reconcile()
        world.verdict = nil
        for _ in 0..<3 {
            world.newSpec(broken: false)
            Self.run(&world)
            #expect(world.state?.phase == .paused)
            world.wanted = bad
            Self.run(&world)
            world.pass(.seconds(6))
            Self.run(&world)
            #expect(world.state?.phase == .rolledBack)
        }
        let reasons = world.history.filter { $0.revision == bad }.map(\.reason)
        let first = reasons.last ?? ""
        #expect(reasons.count > 2 && !first.isEmpty)
        #expect(reasons.dropLast().allSatisfy { $0 == "it was given up before: \(first)" }, "\(reasons)")
        // Wanted after one that went well.
        world.newSpec(broken: false)
        Self.run(&world)
        world.ask(.promoteFull)
        Self.run(&world)
        #expect(world.state?.phase == .settled)
        world.wanted = bad
        Self.run(&world)
        #expect(world.state?.message.contains("was given up before: \(first);") == true)
    }
}
