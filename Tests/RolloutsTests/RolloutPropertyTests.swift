// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import Rollouts
import Testing

/// Something that happens in a `RolloutWorld`.
enum WorldEvent: Int, CaseIterable {
    case reconcile, crashEarly, crashLater, staleReconcile, catchUp, podReady, canaryDies, stableDies, scaleUp,
        scaleDown
    case newSpec, brokenSpec, stableSpec, promote, promoteFull, abort, retry, worse, surge, second, minute, quarter
    case sleep, wake, hold

    func happen(in world: inout RolloutWorld) {
        switch self {
        case .reconcile: world.reconcile()
        case .crashEarly: world.reconcile(crashAfter: 1)
        case .crashLater: world.reconcile(crashAfter: 3)
        case .staleReconcile: world.reconcile(stale: true)
        case .catchUp: world.catchUp()
        case .podReady: world.getReady()
        case .canaryDies: if let canary = world.state?.canaryRevision { world.podDies(canary) }
        case .stableDies: if let stable = world.state?.stableRevision { world.podDies(stable) }
        case .scaleUp: world.scale(to: min(8, world.demand + 1))
        case .scaleDown: world.scale(to: max(1, world.demand - 1))
        case .newSpec: world.newSpec(broken: false)
        case .brokenSpec: world.newSpec(broken: true)
        case .stableSpec: world.stableSpec()
        case .promote: world.ask(.promote)
        case .promoteFull: world.ask(.promoteFull)
        case .abort: world.ask(.abort)
        case .retry: world.ask(.retry)
        case .worse: world.verdict = world.verdict == .worse ? nil : .worse
        case .surge: world.plan.surge = world.plan.surge == .always ? .auto : .always
        case .sleep: world.scale(to: 0)
        case .wake: world.scale(to: max(1, world.demand))
        case .hold: world.plan.isPaused.toggle()
        case .second: world.pass(.seconds(1))
        case .minute: world.pass(.seconds(61))
        case .quarter: world.pass(.seconds(901))
        }
    }
}

@Suite("Rollouts: what holds whatever happens", .timeLimit(.minutes(5)))
struct RolloutPropertyTests {
    /// A plan in which nothing takes longer than a quarter of an hour.
    static func plan(_ strategy: RolloutStrategy, dynamic: Bool = false, surge: RolloutSurge = .auto) -> RolloutPlan {
        RolloutPlan(
            strategy: strategy,
            steps: strategy == .canary
                ? [
                    .setWeight(10), .analysis(nil), .setWeight(50), .pause(.seconds(30)), .setWeight(25),
                    .setWeight(80),
                ] : nil,
            analysisDuration: .seconds(60),
            onNoData: .promote,
            onInconclusive: .promote,
            timeout: .seconds(600),
            progressDeadline: .seconds(600),
            surge: surge,
            dynamicStableScale: dynamic
        )
    }

    /// What must hold after each event; answers what doesn't.
    static func problem(in world: RolloutWorld) -> String? { world.violations.first }

    /// Lets everything get well and answers whether the rollout comes to an end, and then whether a good spec is rolled out.
    static func settles(_ world: inout RolloutWorld) -> String? {
        if let problem = ends(&world) { return problem }
        if isStuck(world) { return nil }
        world.newSpec(broken: false)
        if let problem = ends(&world) { return "a good spec: \(problem)" }
        guard world.state?.phase == .settled || world.state == nil, world.root == world.wanted else {
            return "a good spec ends \(world.state?.phase.rawValue ?? "-"): \(world.state?.message ?? "")"
        }
        return nil
    }

    /// Whether there is no way: without room, and without a replica to spare.
    private static func isStuck(_ world: RolloutWorld) -> Bool {
        let needsRoom = world.plan.strategy == .blueGreen || world.plan.strategy == .shadow
        return world.room < .max && (needsRoom || world.plan.surge == .always || world.demand == 1)
    }

    /// Lets everything get well and answers whether what is under way comes to an end.
    private static func ends(_ world: inout RolloutWorld) -> String? {
        world.verdict = nil
        world.request = nil
        world.plan.isPaused = false
        for _ in 0..<60 {
            world.scale(to: max(1, world.demand))
            for _ in 0..<40 { world.getReady() }
            world.catchUp()
            world.reconcile()
            world.catchUp()
            if let violation = world.violations.first { return violation }
            world.pass(.seconds(31))
        }
        guard let state = world.state else {
            return world.root == world.wanted ? nil : "no state, and not on the wanted revision"
        }
        let isBroken = world.workloads[world.wanted]?.isBroken ?? false
        let isStuck = isStuck(world)
        switch state.phase {
        case .settled: if world.root != world.wanted { return "settled on \(world.root ?? 0), wanted \(world.wanted)" }
        case .rolledBack:
            if let canary = state.canaryRevision, world.workloads[canary]?.asked ?? 0 > 0 {
                return "the canary keeps replicas"
            }
        case .failed: if !isBroken, !isStuck { return "failed although all is well" }
        default: if !isStuck { return "still \(state.phase): \(state.message)" }
        }
        if isStuck { return nil }
        if state.phase != .failed, world.weight != 0 || world.service != nil {
            return "traffic is left: \(world.weight) % to \(world.service ?? 0)"
        }
        if world.root == nil { return "the root Service selects both tracks" }
        if let root = world.root, (world.workloads[root]?.ready ?? 0) < world.demand {
            return "revision \(root) has \(world.workloads[root]?.ready ?? 0) of \(world.demand): \(state)"
        }
        return nil
    }

    /// The random orders of each variant: few enough for a test, and more with `MODELFLEET_TEST_ROLLOUT_SEEDS`.
    static var seeds: Int {
        ProcessInfo.processInfo.environment["MODELFLEET_TEST_ROLLOUT_SEEDS"].flatMap { Int($0) } ?? 40
    }

    /// The events in each order of the exhaustive test; with `MODELFLEET_TEST_ROLLOUT_SEEDS` one more.
    static var length: Int { seeds > 40 ? 4 : 3 }

    static let variants: [(RolloutStrategy, Bool, Bool, Int, RolloutSurge)] = [
        (.canary, false, false, .max, .auto), (.canary, true, false, .max, .auto), (.canary, false, true, .max, .auto),
        (.blueGreen, false, false, .max, .auto), (.shadow, false, false, .max, .auto),
        (.rollingUpdate, false, false, .max, .auto), (.rollingUpdate, false, true, 0, .auto),
        (.canary, false, false, 0, .auto), (.rollingUpdate, false, false, 0, .always),
        (.canary, false, true, 0, .auto), (.shadow, false, false, 0, .auto), (.blueGreen, false, false, 0, .auto),
    ]

    @Test(
        "no order of events takes capacity away that the traffic needs, and every rollout ends",
        arguments: variants.indices
    )
    func random(variant: Int) async {
        let (strategy, dynamic, byPods, room, surge) = Self.variants[variant]
        for seed in 0..<Self.seeds {
            // Other tests wait for the same few threads.
            await Task.yield()
            let random = SeededRandom(seed: UInt64(seed * 31 + variant))
            let demand = 1 + Int(random.unit() * 5)
            var world = RolloutWorld(
                plan: Self.plan(strategy, dynamic: dynamic, surge: surge),
                demand: demand,
                sharesByPods: byPods,
                room: room == 0 ? demand : .max
            )
            var trace: [String] = []
            func fail(_ what: String) {
                Issue.record(
                    "variant \(variant) seed \(seed) demand \(demand): \(what)\n\(trace.suffix(40).joined(separator: "\n"))"
                )
            }
            for _ in 0..<120 {
                var index = Int(random.unit() * Double(WorldEvent.allCases.count + 24))
                // Most of what happens is that the operator works and pods get ready.
                if index >= WorldEvent.allCases.count { index = [0, 4, 5][index % 3] }
                let event = WorldEvent.allCases[index]
                if room == 0, [.scaleUp, .scaleDown, .sleep, .wake].contains(event) { continue }
                event.happen(in: &world)
                trace.append(
                    "\(event): root \(world.root ?? 0) \(world.weight) % to \(world.service ?? 0) \(world.workloads.sorted { $0.key < $1.key }.map { "r\($0.key) \($0.value.ready)/\($0.value.asked)" }) \(world.state?.phase.rawValue ?? "-") \(world.state?.stepIndex ?? 0) D \(world.demand) w \(world.state?.desiredWeight ?? 0)"
                )
                if let problem = Self.problem(in: world) { return fail(problem) }
            }
            if let problem = Self.settles(&world) { return fail("\(problem)") }
        }
    }

    @Test("every short order of the events that matter most", arguments: [0, 2])
    func exhaustive(variant: Int) async {
        let (strategy, dynamic, byPods, _, surge) = Self.variants[variant]
        let events: [WorldEvent] = [.reconcile, .crashEarly, .staleReconcile, .podReady, .abort, .newSpec, .canaryDies]
        let length = Self.length
        var total = 1
        for _ in 0..<length { total *= events.count }
        var failures = 0
        for number in 0..<total {
            await Task.yield()
            var world = RolloutWorld(
                plan: Self.plan(strategy, dynamic: dynamic, surge: surge),
                demand: 2,
                sharesByPods: byPods
            )
            // A rollout whose first step has its share.
            world.newSpec(broken: false)
            for _ in 0..<6 {
                world.catchUp()
                world.reconcile()
                world.getReady()
            }
            var rest = number
            var names: [String] = []
            for _ in 0..<length {
                let event = events[rest % events.count]
                rest /= events.count
                names.append("\(event)")
                event.happen(in: &world)
                if let problem = Self.problem(in: world) {
                    failures += 1
                    Issue.record("\(names): \(problem)")
                    break
                }
            }
            if failures == 0, let problem = Self.settles(&world) {
                failures += 1
                Issue.record("\(names): \(problem)")
            }
            if failures > 3 { return }
        }
    }
}
