// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts

/// A small cluster around the machine: workloads whose pods come and go, a router, an operator whose view lags and that may
/// crash between any two writes.
struct RolloutWorld {
    /// One revision's workload.
    struct Workload: Hashable {
        var asked = 0
        var ready = 0
        /// Whether its pods never get ready.
        var isBroken = false
        /// Since when it serves nobody.
        var lostAt: WallTime?
    }

    /// What the operator sees; it may be old.
    struct View {
        var workloads: [Int: Workload]
        var root: Int?
        var service: Int?
        var weight: Int
        var mirror: Int
        var matches: Bool
    }

    /// One write of the operator.
    enum Write {
        case state(RolloutState?, [RolloutOutcome])
        case create(Int)
        case scale(Int, Int)
        case service(Int?)
        case route(Int, Int, Bool)
        case root(Int?)
        case delete(Int)
    }

    var plan: RolloutPlan
    var sharesByPods = false
    /// The pods that the nodes have room for.
    var room = Int.max
    var time = WallTime(seconds: 1_000_000)
    var demand: Int
    var wanted = 1
    var workloads: [Int: Workload] = [:]
    var root: Int? = 1
    var service: Int?
    var weight = 0
    var mirror = 0
    var matches = false
    var state: RolloutState?
    var stableInStatus = 1
    var history: [RolloutOutcome] = []
    var request: RolloutRequest?
    var verdict: Judgement.Verdict?
    /// Whether the judge looks at each reconcile, and sees no request.
    var isWatched = false
    var events: [RolloutEvent] = []
    /// What was ready lately, which is all that a decision can know.
    var lately: [Int: Int] = [:]
    var demandLately: Int
    var old: View
    /// What was broken, where something was.
    var violations: [String] = []
    var isStale = false
    var last: RolloutDecision?
    private var nonce = 0
    private var highest = 1

    init(plan: RolloutPlan, demand: Int, sharesByPods: Bool = false, room: Int = .max) {
        self.plan = plan
        self.demand = demand
        self.sharesByPods = sharesByPods
        self.room = room
        workloads[1] = Workload(asked: demand, ready: demand)
        demandLately = demand
        old = View(workloads: workloads, root: 1, service: nil, weight: 0, mirror: 0, matches: false)
        lately = [1: demand]
        demandLately = demand
    }

    var view: View {
        View(workloads: workloads, root: root, service: service, weight: weight, mirror: mirror, matches: matches)
    }

    private var isAttached: Bool {
        service != nil && (weight > 0 || mirror > 0 || matches) || sharesByPods && root == nil
    }

    // MARK: What happens

    mutating func newSpec(broken: Bool) {
        highest += 1
        wanted = highest
        if broken { workloads[wanted] = Workload(asked: 0, ready: 0, isBroken: true) }
    }

    mutating func stableSpec() { wanted = stableRole }

    mutating func ask(_ action: RolloutRequest.Action) {
        nonce += 1
        request = RolloutRequest("\(action.rawValue) \(state?.canaryRevision ?? 0)/\(state?.stepIndex ?? 0) n\(nonce)")
    }

    /// A pod that waits gets ready, where a node has room.
    mutating func getReady() {
        for number in workloads.keys.sorted(by: >) {
            guard let workload = workloads[number], !workload.isBroken, workload.ready < workload.asked else {
                continue
            }
            guard workloads.values.reduce(0, { $0 + $1.ready }) < room else { continue }
            workloads[number]?.ready += 1
            lately[number] = max(lately[number] ?? 0, workload.ready + 1)
            return
        }
    }

    mutating func podDies(_ number: Int) {
        guard let workload = workloads[number], workload.ready > 0 else { return }
        workloads[number]?.ready -= 1
    }

    /// The scaling writes the stable track's count, unless the rollout derives it.
    mutating func scale(to count: Int) {
        demand = count
        if state?.isSharing == true { return }
        set(count, of: stableRole)
    }

    mutating func pass(_ duration: Duration) {
        noteLosses()
        time = time + duration
    }

    /// Notes since when workloads have no ready pod.
    mutating func noteLosses() {
        for (number, workload) in workloads {
            workloads[number]?.lostAt = workload.ready == 0 ? workload.lostAt ?? time : nil
        }
    }

    /// The operator sees what is there.
    mutating func catchUp() {
        old = view
        lately = workloads.mapValues(\.ready)
        demandLately = demand
        isStale = false
    }

    private var stableRole: Int {
        if let state, state.phase.isActive, workloads[state.stableRevision] != nil { return state.stableRevision }
        return root ?? state?.stableRevision ?? stableInStatus
    }

    // MARK: The operator

    private func revision(_ number: Int, in view: View) -> RevisionState {
        let workload = view.workloads[number] ?? Workload()
        let total = view.workloads.values.reduce(0) { $0 + $1.ready }
        return RevisionState(
            number: number,
            hash: "h\(number)",
            version: "\(number)",
            replicas: workload.asked,
            readyReplicas: workload.ready,
            failure: nil,
            isUnschedulable: workload.ready < workload.asked && total >= room,
            unavailableSince: workload.lostAt
        )
    }

    func observation(_ view: View) -> RolloutObservation {
        let attached =
            view.service != nil && (view.weight > 0 || view.mirror > 0 || view.matches)
            || sharesByPods && view.root == nil
        var stableNumber = view.root ?? state?.stableRevision ?? stableInStatus
        if let state, state.phase.isActive, view.workloads[state.stableRevision] != nil {
            stableNumber = state.stableRevision
        }
        let known = view.workloads[stableNumber] != nil
        var evidence: RolloutEvidence?
        if isWatched { evidence = RolloutEvidence() }
        if verdict == .worse {
            evidence = RolloutEvidence(checks: [RolloutCheck(name: "c", answer: .failed, message: "bad")])
        }
        var seen = RolloutObservation(
            time: time,
            plan: plan,
            state: state,
            stable: known ? revision(stableNumber, in: view) : nil,
            wanted: revision(wanted, in: view),
            demand: state?.isSharing == true ? demand : view.workloads[stableNumber]?.asked ?? demand,
            traffic: TrafficObservation(
                rootRevision: view.root,
                canaryRevision: view.service,
                weight: sharesByPods ? (attached ? 50 : 0) : view.weight,
                achieved: sharesByPods ? (attached ? shareOfPods(view) : 0) : view.weight,
                isAttached: attached
            ),
            sharesByPods: sharesByPods,
            request: request,
            evidence: evidence,
            failedBefore: history.first { $0.hash == "h\(wanted)" && $0.outcome == .rolledBack }?.reason,
            others: view.workloads.keys.sorted().map { revision($0, in: view) }
        )
        seen.isAtRest = seen.demand == 0 && seen.stable.map { $0.replicas == 0 && $0.readyReplicas == 0 } ?? false
        return seen
    }

    /// The canary's share where every pod gets the same of the requests, in percent.
    private func shareOfPods(_ view: View) -> Int {
        let all = view.workloads.values.reduce(0) { $0 + $1.ready }
        let canary = state?.canaryRevision.flatMap { view.workloads[$0]?.ready } ?? 0
        return all > 0 ? canary * 100 / all : 0
    }

    /// One reconcile; `crashAfter` writes at most are made.
    mutating func reconcile(crashAfter limit: Int = .max, stale: Bool = false) {
        let seen = stale ? old : view
        let decision = RolloutMachine.next(observation(seen))
        last = decision
        isStale = stale
        var left = limit
        for write in writes(decision, seen) {
            guard left > 0 else { return }
            left -= 1
            apply(write)
        }
        events += decision.events
        // A promotion that a person holds is paused as well, and may have replaced the whole stable track by then.
        let isStep = state.map { $0.stepIndex < plan.steps.count } ?? false
        let isJudged = isStep && (state?.phase == .paused || state?.phase == .analyzing)
        if !stale, isJudged, demand > 1, let stable = state?.stableRevision, workloads[stable]?.asked == 0 {
            violations.append("nothing is left of the stable track at step \(state?.stepIndex ?? 0)")
        }
        guard !stale, let state, state.phase.isActive, state.phase != .failed else { return }
        if let deadline = state.deadline {
            if deadline <= time { violations.append("the deadline of \(state.phase) is over, and nothing came of it") }
        } else if decision.recheck == nil {
            violations.append("\(state.phase) has no deadline: \(state.message)")
        }
    }

    private func writes(_ decision: RolloutDecision, _ seen: View) -> [Write] {
        var writes: [Write] = []
        if decision.state != state || !decision.ended.isEmpty { writes.append(.state(decision.state, decision.ended)) }
        if decision.bringsUp, seen.workloads[wanted] == nil { writes.append(.create(wanted)) }
        if let count = decision.stableReplicas, count != seen.workloads[decision.stableRevision]?.asked {
            writes.append(.scale(decision.stableRevision, count))
        }
        if let canary = decision.canaryRevision, let count = decision.canaryReplicas,
            count != seen.workloads[canary]?.asked ?? 0
        {
            writes.append(.scale(canary, count))
        }
        if let service = decision.canaryServiceRevision, service != seen.service { writes.append(.service(service)) }
        for (number, count) in decision.shrinks.sorted(by: { $0.key < $1.key }) { writes.append(.scale(number, count)) }
        let route = (decision.weight, decision.mirrorPercent, decision.sendsMatches)
        if !sharesByPods, route != (seen.weight, seen.mirror, seen.matches) {
            writes.append(.route(route.0, route.1, route.2))
        }
        if decision.rootRevision != seen.root { writes.append(.root(decision.rootRevision)) }
        if decision.canaryServiceRevision == nil, seen.service != nil, !seenAttached(seen) {
            writes.append(.service(nil))
        }
        var used: Set<Int> = [wanted, decision.stableRevision]
        used.formUnion(decision.keeps)
        if let root = decision.rootRevision { used.insert(root) }
        if let canary = decision.canaryRevision { used.insert(canary) }
        // Where the root Service selects all pods, those that are left over may be needed.
        let tracks = Set([decision.stableRevision, decision.canaryRevision].compactMap(\.self))
        let ready = tracks.reduce(0) { $0 + (seen.workloads[$1]?.ready ?? 0) }
        let isShared = decision.rootRevision == nil && ready >= demand
        if seen.root.map({ used.contains($0) }) ?? isShared {
            for number in seen.workloads.keys.sorted() where !used.contains(number) { writes.append(.delete(number)) }
        }
        return writes
    }

    private func seenAttached(_ view: View) -> Bool { view.weight > 0 || view.mirror > 0 || view.matches }

    private mutating func apply(_ write: Write) {
        // An operator with an old view knows of the demand of then.
        let known = isStale ? min(demand, demandLately) : demand
        let base = state?.isReplacing == true ? max(0, known - 1) : known
        let fresh = TrafficObservation(
            rootRevision: root,
            canaryRevision: service,
            weight: sharesByPods ? 0 : weight,
            isAttached: isAttached
        )
        let before = lacks(base, lenient: true)
        switch write {
        case .state(let new, let ended):
            state = new
            history = ended + history
            stableInStatus = new?.stableRevision ?? stableInStatus
        case .create(let number): if workloads[number] == nil { workloads[number] = Workload(asked: 0, ready: 0) }
        case .scale(let number, let count):
            let live = workloads[number]?.asked ?? 0
            if count < live, !ShrinkGuard.allows(count, of: number, demand: base, traffic: fresh) { return }
            if count < live, !allowsShared(count, of: number, base) { return }
            set(count, of: number)
        case .service(let number):
            let ready = number.map { workloads[$0]?.ready ?? 0 } ?? 0
            if service != nil, !ShrinkGuard.allowsTurn(ready: ready, demand: base, traffic: fresh) { return }
            service = number
        case .route(let weight, let mirror, let matches):
            let ready = state.flatMap { workloads[$0.stableRevision]?.ready } ?? 0
            let isForced = last?.events.contains { $0.reason == "ReturnForced" } ?? false
            let selected = service.flatMap { workloads[$0]?.ready } ?? 0
            if selected > 0, !isForced,
                !ShrinkGuard.allowsReturn(to: weight, ready: ready, demand: base, traffic: fresh)
            {
                return
            }
            guard ShrinkGuard.allowsRise(to: weight, ready: selected, demand: base, live: self.weight) else { return }
            (self.weight, self.mirror, self.matches) = (weight, mirror, matches)
        // Conditional on the version that was seen.
        case .root(let number):
            guard root == old.root || !isStale else { return }
            let isForced = last?.events.contains { $0.reason == "ReturnForced" } ?? false
            if root == nil, let number, !isForced {
                let all = workloads.values.reduce(0) { $0 + $1.ready }
                let ready = workloads[number]?.ready ?? 0
                guard ShrinkGuard.allowsSelection(ready: ready, all: all, demand: base) else { return }
            }
            root = number
        case .delete(let number):
            if service == number && isAttached { return }
            guard root != number, allowsShared(0, of: number, base) else { return }
            workloads[number] = nil
        }
        let after = lacks(base, lenient: false)
        if last?.events.contains(where: { $0.reason == "ReturnForced" }) ?? false { return }
        if before.isEmpty, !after.isEmpty {
            violations.append(
                "\(write) in \(state?.phase.rawValue ?? "-"): \(after.joined(separator: "; ")) demand \(demand)"
            )
        }
    }

    private func allowsShared(_ count: Int, of number: Int, _ base: Int) -> Bool {
        let all = workloads.values.reduce(0) { $0 + $1.ready }
        let ready = workloads[number]?.ready ?? 0
        return root != nil || ShrinkGuard.allowsShared(count, ready: ready, all: all, demand: base)
    }

    private mutating func set(_ count: Int, of number: Int) {
        guard var workload = workloads[number] else { return }
        workload.asked = count
        // Pods that aren't ready go first.
        workload.ready = min(workload.ready, count)
        workloads[number] = workload
    }

    /// Which serving tracks have less than their share of the demand needs. What was ready when the operator looked counts as ready where
    /// it isn't lenient: it can't know of a pod that died since.
    private func lacks(_ base: Int, lenient: Bool) -> [String] {
        func ready(_ number: Int) -> Int {
            let now = workloads[number]?.ready ?? 0
            guard !lenient, isStale, let asked = workloads[number]?.asked else { return now }
            return max(now, min(lately[number] ?? 0, asked))
        }
        func lacks(_ number: Int, _ share: Int) -> String? {
            guard share > 0, base > 0 else { return nil }
            let has = ready(number)
            // A share is a whole percent.
            if has * 100 + base >= base * share, has > 0 { return nil }
            return "revision \(number) has \(has) ready for \(share) %"
        }
        guard let root else {
            let all = workloads.keys.reduce(0) { $0 + ready($1) }
            return all >= base ? [] : ["\(all) ready pods"]
        }
        guard let service, weight > 0, !sharesByPods else { return [lacks(root, 100)].compactMap(\.self) }
        if service == root { return [lacks(root, 100)].compactMap(\.self) }
        return [lacks(root, 100 - weight), lacks(service, weight)].compactMap(\.self)
    }
}
