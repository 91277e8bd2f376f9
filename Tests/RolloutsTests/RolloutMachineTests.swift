// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts
import Testing

@Suite("The rollout machine")
struct RolloutMachineTests {
    static let now = WallTime(seconds: 1_000_000)

    static func canary(_ steps: [RolloutStep], _ change: (inout RolloutPlan) -> Void = { _ in }) -> RolloutPlan {
        var plan = RolloutPlan(strategy: .canary, steps: steps)
        change(&plan)
        return plan
    }

    /// A world in which a new spec came and everything gets ready at once.
    static func world(_ plan: RolloutPlan, demand: Int = 4, broken: Bool = false) -> RolloutWorld {
        var world = RolloutWorld(plan: plan, demand: demand)
        world.newSpec(broken: broken)
        return world
    }

    /// Reconciles until nothing moves; pods get ready in between.
    static func run(_ world: inout RolloutWorld, rounds: Int = 12, getsReady: Bool = true) {
        for _ in 0..<rounds {
            world.catchUp()
            world.reconcile()
            if getsReady { for _ in 0..<20 { world.getReady() } }
        }
    }

    // MARK: Rolling update

    @Test("ready first, then traffic, then shrink; the first deployment has no canary")
    func order() {
        func next(_ stable: RevisionState?, _ wanted: RevisionState, root: Int? = nil) -> RolloutDecision {
            RolloutMachine.next(
                RolloutObservation(
                    time: Self.now,
                    stable: stable,
                    wanted: wanted,
                    traffic: TrafficObservation(rootRevision: root ?? stable?.number)
                )
            )
        }
        let stable = RevisionState(number: 3, replicas: 4, readyReplicas: 4)
        let first = next(nil, RevisionState(number: 1, replicas: 0, readyReplicas: 0))
        #expect(first.state == nil && first.rootRevision == 1 && first.canaryRevision == nil)
        #expect(next(stable, stable).state == nil)
        for ready in 0...3 {
            let half = next(stable, RevisionState(number: 4, replicas: 4, readyReplicas: ready))
            #expect(half.rootRevision == 3 && half.canaryReplicas == 4)
        }
        let ready = next(stable, RevisionState(number: 4, replicas: 4, readyReplicas: 4))
        #expect(ready.rootRevision == 4 && ready.stableRevision == 3, "the old one stays until the switch is seen")
    }

    @Test("failing pods and a passed deadline keep the old revision, and one that gets ready after all takes over")
    func failing() {
        var world = Self.world(RolloutPlan(), demand: 2, broken: true)
        Self.run(&world)
        #expect(world.state?.phase == .promoting)
        world.pass(.seconds(601))
        world.reconcile()
        #expect(world.state?.phase == .failed)
        #expect(world.last?.failure == "revision 2 has 0 of 2 ready replicas after 600 s (progressDeadlineSeconds)")
        #expect(world.root == 1)
        world.workloads[2]?.isBroken = false
        Self.run(&world)
        #expect(world.root == 2 && world.state?.phase == .settled)
    }

    @Test("a change of scaling starts no rollout, and one in the middle moves the deadline of what gets ready")
    func scaling() {
        var world = RolloutWorld(plan: RolloutPlan(), demand: 2)
        world.scale(to: 5)
        Self.run(&world)
        #expect(world.state == nil && world.root == 1)
        world.newSpec(broken: false)
        world.catchUp()
        world.reconcile()
        for _ in 0..<3 { world.getReady() }
        world.reconcile()
        world.pass(.seconds(590))
        world.scale(to: 6)
        world.reconcile()
        world.pass(.seconds(500))
        world.reconcile()
        #expect(world.state?.phase == .promoting, "the larger demand started the clock anew")
        world.pass(.seconds(200))
        world.reconcile()
        #expect(world.state?.phase == .failed)
    }

    // MARK: Canary

    @Test("weights rise step by step, each against ready replicas; then the roles change")
    func steps() {
        var world = Self.world(Self.canary([.setWeight(25), .pause(.seconds(60)), .setWeight(50)]))
        world.reconcile()
        #expect(world.workloads[2]?.asked == 1 && world.weight == 0)
        world.reconcile()
        #expect(world.weight == 0, "its replica isn't ready")
        world.getReady()
        world.reconcile()
        #expect(world.weight == 25 && world.service == 2 && world.root == 1)
        Self.run(&world)
        #expect(world.state?.phase == .paused && world.weight == 25)
        #expect(world.state?.deadline == world.state?.reachedAt.map { $0 + .seconds(60) })
        world.pass(.seconds(61))
        world.catchUp()
        world.reconcile()
        #expect(world.workloads[2]?.asked == 2 && world.weight == 25)
        Self.run(&world)
        #expect(world.state?.phase == .settled && world.root == 2 && world.weight == 0 && world.service == nil)
        #expect(world.workloads[1] == nil)
        #expect(world.history.map(\.outcome) == [.promoted])
        #expect(world.state?.outcome == .promoted && world.state?.reason == nil)
        #expect(world.events.filter { $0.reason == "Promoted" }.count == 1)
    }

    @Test("a larger demand ends neither a pause nor an analysis: the step keeps its phase while replicas get ready")
    func scaledInStep() {
        for (step, phase) in [(RolloutStep.pause(nil), RolloutState.Phase.paused), (.analysis(nil), .analyzing)] {
            var world = Self.world(Self.canary([.setWeight(50), step]))
            Self.run(&world)
            #expect(world.state?.phase == phase)
            let reached = world.state?.reachedAt
            world.scale(to: 6)
            Self.run(&world, getsReady: false)
            #expect(world.workloads[2]?.asked == 3 && world.workloads[2]?.ready == 2)
            #expect(world.state?.phase == phase && world.state?.reachedAt == reached)
            #expect(world.state?.message.contains("2 of 3 ready replicas") == true)
            #expect(world.state?.deadline == world.time + .seconds(600), "of its replicas")
            Self.run(&world)
            #expect(world.state?.phase == phase && world.state?.stepIndex == 1)
            world.workloads[2]?.isBroken = true
            world.scale(to: 8)
            Self.run(&world)
            world.pass(.seconds(601))
            Self.run(&world)
            #expect(world.state?.phase == .rollingBack || world.state?.phase == .rolledBack)
        }
    }

    @Test("a share that the routes can only give nearly is reached, and what is live decides what is needed")
    func nearest() {
        var state: RolloutState?
        func next(_ weight: Int, nearest: Int?) -> RolloutDecision {
            let decision = RolloutMachine.next(
                RolloutObservation(
                    time: Self.now,
                    plan: Self.canary([.setWeight(25), .pause(nil)]),
                    state: state,
                    stable: RevisionState(number: 1, replicas: 4, readyReplicas: 4),
                    wanted: RevisionState(number: 2, replicas: 1, readyReplicas: 1),
                    traffic: TrafficObservation(rootRevision: 1, canaryRevision: 2, weight: weight, nearest: nearest)
                )
            )
            state = decision.state
            return decision
        }
        #expect(next(0, nearest: 0).weight == 25)
        #expect(next(26, nearest: nil).state?.phase == .progressing)
        let reached = next(26, nearest: 25)
        #expect(reached.state?.phase == .paused && reached.weight == 25)
        #expect(reached.canaryReplicas == 2, "26 % of four")
        #expect(reached.events.count { $0.reason == "WeightChanged" } == 0)
    }

    @Test("a pause without a time waits for a person; asking twice for one step skips no second one")
    func promote() {
        var world = Self.world(Self.canary([.setWeight(10), .pause(nil), .setWeight(20), .pause(nil)]))
        Self.run(&world)
        #expect(world.state?.phase == .paused && world.state?.stepIndex == 1)
        world.ask(.promote)
        let asked = world.request
        Self.run(&world)
        #expect(world.state?.stepIndex == 3)
        world.request = asked
        Self.run(&world)
        #expect(world.state?.stepIndex == 3)
        world.request = RolloutRequest("promote 2/1 other")
        Self.run(&world)
        #expect(world.state?.stepIndex == 3)
        #expect(world.events.last { $0.reason == "RequestIgnored" }?.message.contains("is at step 4 now") == true)
        world.ask(.promote)
        Self.run(&world)
        #expect(world.state?.phase == .settled && world.root == 2)
    }

    @Test("an aborted canary goes to zero and stays there, and is tried again only when asked for")
    func abort() {
        var world = Self.world(Self.canary([.setWeight(50), .pause(nil)]))
        Self.run(&world)
        #expect(world.weight == 50)
        world.ask(.abort)
        world.catchUp()
        world.reconcile()
        #expect(world.weight == 0 && world.workloads[2]?.asked == 2, "the weight goes first")
        world.reconcile()
        world.pass(.seconds(6))
        Self.run(&world)
        #expect(world.state?.phase == .rolledBack && world.workloads[2]?.asked == 0)
        world.scale(to: 8)
        world.pass(.seconds(100_000))
        Self.run(&world)
        #expect(world.workloads[2]?.asked == 0 && world.root == 1)
        world.ask(.retry)
        Self.run(&world)
        #expect(world.state?.phase == .paused && world.weight == 50)
    }

    @Test("a canary that doesn't get ready is rolled back with its pods' own reason, and what failed is remembered")
    func deadline() {
        var world = Self.world(Self.canary([.setWeight(10)]), broken: true)
        Self.run(&world)
        world.pass(.seconds(601))
        Self.run(&world, getsReady: false)
        world.pass(.seconds(6))
        Self.run(&world)
        #expect(world.state?.phase == .rolledBack)
        #expect(world.history.first?.reason.contains("0 of 1 ready replicas after 600 s") == true)
        // The stable spec, then the same spec again.
        let failed = world.wanted
        world.stableSpec()
        Self.run(&world)
        #expect(world.state?.phase == .settled)
        world.wanted = failed
        Self.run(&world)
        #expect(world.state?.phase == .rolledBack)
        #expect(world.state?.message.contains("was given up before") == true)
        #expect(world.state?.outcome == .rolledBack)
        #expect(world.events.filter { $0.reason == "FailedBefore" }.count == 1)
        #expect(world.workloads[failed] == nil, "nothing is made of what was given up")
    }

    @Test("a canary that somebody deletes on the way back isn't made again")
    func deletedOnTheWayBack() {
        var world = Self.world(Self.canary([.setWeight(50), .pause(nil)]))
        Self.run(&world)
        world.workloads[1]?.ready = 0
        world.ask(.abort)
        Self.run(&world, rounds: 1, getsReady: false)
        #expect(world.state?.phase == .rollingBack && world.workloads[2] != nil)
        world.workloads[2] = nil
        Self.run(&world, rounds: 3)
        #expect(world.workloads[2] == nil)
    }

    @Test("a new spec starts against the stable revision, the stable spec aborts at once")
    func restarts() {
        var world = Self.world(Self.canary([.setWeight(50), .pause(nil)]))
        Self.run(&world)
        world.newSpec(broken: false)
        world.catchUp()
        world.reconcile()
        #expect(world.service == 2 && world.weight == 0, "what the old canary has goes back first")
        Self.run(&world)
        #expect(world.service == 3 && world.weight == 50 && world.state?.stableRevision == 1)
        #expect(world.workloads[2] == nil)
        #expect(world.history.map(\.outcome) == [.superseded])
        world.stableSpec()
        Self.run(&world)
        world.pass(.seconds(6))
        Self.run(&world)
        #expect(world.state?.phase == .settled && world.root == 1 && world.weight == 0)
        #expect(world.history.map(\.outcome) == [.aborted, .superseded])
    }

    @Test("a new spec on the way back leaves the outcome that the old one has, and it isn't tried again by itself")
    func supersedesRollback() {
        var world = Self.world(Self.canary([.setWeight(50), .pause(nil)]))
        Self.run(&world)
        let bad = world.wanted
        world.verdict = .worse
        world.catchUp()
        world.reconcile()
        #expect(world.state?.phase == .rollingBack)
        world.verdict = nil
        world.newSpec(broken: false)
        Self.run(&world)
        #expect(world.history.map(\.outcome) == [.rolledBack] && world.history.map(\.revision) == [bad])
        #expect(world.state?.canaryRevision == world.wanted && world.weight == 50)
        world.wanted = bad
        Self.run(&world)
        world.pass(.seconds(6))
        Self.run(&world)
        #expect(world.state?.phase == .rolledBack && world.workloads[bad]?.asked ?? 0 == 0)
        #expect(world.state?.reason?.hasPrefix("it was given up before") == true)
    }

    @Test("worse rolls back in every step, whatever it waits for")
    func worse() {
        let plans: [RolloutPlan] = [
            Self.canary([.setWeight(50), .pause(nil)]), Self.canary([.setWeight(50), .pause(.seconds(900))]),
            Self.canary([.setWeight(50), .analysis(nil)]),
            Self.canary([.setWeight(50), .pause(nil)]) { $0.isPaused = true },
        ]
        for plan in plans {
            var world = Self.world(plan.isPaused ? Self.canary([.setWeight(50), .pause(nil)]) : plan)
            Self.run(&world)
            world.plan = plan
            world.reconcile()
            #expect(world.weight == 50)
            world.verdict = .worse
            world.reconcile()
            #expect(world.state?.phase == .rollingBack && world.weight == 0)
            #expect(world.events.contains { $0.reason == "RollingBack" && $0.message.contains("bad") })
        }
    }

    @Test("without data an analysis waits, and ends at its timeout; its time and the rule decide otherwise")
    func noData() {
        for (rule, phase) in [
            (AnalysisFallback.wait, RolloutState.Phase.analyzing), (.promote, .settled), (.rollback, .rolledBack),
        ] {
            var world = Self.world(Self.canary([.setWeight(50), .analysis(.seconds(60))]) { $0.onNoData = rule })
            Self.run(&world)
            #expect(world.state?.phase == .analyzing)
            world.pass(.seconds(61))
            Self.run(&world)
            world.pass(.seconds(6))
            Self.run(&world)
            #expect(world.state?.phase == phase)
            guard rule == .wait else { continue }
            #expect(world.state?.deadline.map { $0 > world.time } == true)
            world.pass(.seconds(86_400))
            Self.run(&world)
            world.pass(.seconds(6))
            Self.run(&world)
            #expect(world.state?.phase == .rolledBack)
        }
    }

    @Test("an analysis that is to last longer than timeoutSeconds has all of its time")
    func longAnalysis() {
        var world = Self.world(
            Self.canary([.setWeight(50), .analysis(.seconds(600))]) { $0.timeout = .seconds(60) }
        )
        Self.run(&world)
        world.pass(.seconds(590))
        Self.run(&world)
        #expect(world.state?.phase == .analyzing)
        world.pass(.seconds(11))
        Self.run(&world)
        world.pass(.seconds(6))
        Self.run(&world)
        #expect(world.state?.phase == .rolledBack)
    }

    @Test("a broken stable track blocks nothing: neither the analysis nor the promotion")
    func brokenStable() {
        var world = RolloutWorld(plan: Self.canary([.setWeight(50), .analysis(nil)]), demand: 3)
        world.workloads[1] = RolloutWorld.Workload(asked: 3, ready: 0, isBroken: true)
        world.newSpec(broken: false)
        Self.run(&world)
        world.pass(.seconds(595))
        Self.run(&world)
        #expect(world.state?.phase == .analyzing, "it may just be starting")
        #expect(world.last?.recheck.map { $0 <= .seconds(5) } == true, "looks again when that has passed")
        world.pass(.seconds(6))
        Self.run(&world)
        #expect(world.state?.phase == .settled && world.root == 2)
    }

    @Test("a stable track that is without a ready replica for a moment lets no analysis pass")
    func startingStable() {
        var world = Self.world(Self.canary([.setWeight(50), .analysis(nil)]), demand: 1)
        Self.run(&world)
        #expect(world.state?.phase == .analyzing)
        world.podDies(1)
        world.pass(.seconds(30))
        Self.run(&world, rounds: 1, getsReady: false)
        #expect(world.state?.phase == .analyzing && world.state?.stepIndex == 1)
        Self.run(&world)
        #expect(world.state?.phase == .analyzing && world.root == 1)
        // Each loss counts for itself.
        world.pass(.seconds(650))
        world.podDies(1)
        world.pass(.seconds(30))
        Self.run(&world, getsReady: false)
        #expect(world.state?.phase == .analyzing)
    }

    @Test("a rollback gives back only what the stable track carries")
    func partialReturn() {
        var world = Self.world(Self.canary([.setWeight(50), .pause(nil)]))
        Self.run(&world)
        world.podDies(1)
        world.ask(.abort)
        world.reconcile()
        #expect(world.weight == 25, "three of four are ready")
        world.reconcile()
        #expect(world.workloads[2]?.ready == 2)
        world.getReady()
        world.reconcile()
        #expect(world.weight == 0)
    }

    @Test("a rollback to a stable track that serves nobody waits, says what ends it, and a person can end it")
    func returnToNobody() {
        var world = Self.world(Self.canary([.setWeight(50), .pause(nil)]))
        Self.run(&world)
        for _ in 0..<4 { world.podDies(1) }
        world.workloads[1]?.isBroken = true
        world.ask(.abort)
        Self.run(&world)
        #expect(world.state?.phase == .rollingBack && world.weight > 0)
        #expect(world.state?.message.contains("promote --full") == false, "it may still get ready")
        world.pass(.seconds(601))
        Self.run(&world)
        #expect(world.state?.phase == .rollingBack && world.weight > 0)
        #expect(world.state?.message.contains("`modelfleet rollout promote --full` keeps it for good") == true)
        #expect(world.state?.deadline.map { $0 > world.time } == true)
        world.ask(.promoteFull)
        Self.run(&world)
        #expect(world.state?.phase == .settled && world.root == 2)
    }
}
