// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel

/// What must be true at every moment, checked at every write.
///
/// | invariant | in words |
/// | --- | --- |
/// | `optimistic concurrency` | a write that names a version succeeds only on that version |
/// | `replicas within bounds` | the operator writes only counts within the bounds that the spec has or had lately; 0 only for revisions without traffic; a new revision may get the old one's size |
/// | `ready before traffic` | the Service turns to another revision only when that has as many ready pods as the old one asks for |
/// | `stable track stays` | the operator neither empties nor deletes the revision that the Service selects, nor one that lost the traffic less than `retirementDelay` ago |
/// | `only orphans are collected` | the garbage collector deletes nothing whose owner exists |
/// | `revisions are immutable` | one number stands for one rendering, for ever |
/// | `status tells the truth` | `observedGeneration` never exceeds the generation and never goes back |
/// | `weight after readiness` | the canary's share of the requests rises only where it had the ready pods for it |
/// | `canary with a share stays` | the operator takes no pods from a canary that the routes give requests |
/// | `one leader writes` | an operator writes only while it holds the lease (see `LeaseChecks`) |
/// | `lost nodes are silent` | the node controller takes no node for lost that renewed its lease within the grace |
/// | `no hot loop` | a process sends at most `mostRequestsAMinute` requests in a minute |
struct Checks {
    /// The most requests of one process in one minute; the busiest of the first 200 worlds sends 2,479 (seed 134: a watch that
    /// stalls while a model is deleted and made anew, and a collector that takes what is made for the old one).
    static let mostRequestsAMinute = 3000
    /// How long an old revision keeps its pods (`ModelPlan.retirementDelay`).
    static let retirementDelay = Duration.seconds(5)

    private let scenario: Scenario
    /// How far behind the world an operator's view may be: a silent watch is noticed after 150 s, then a backoff.
    private let staleness: Duration
    /// The operators' leases.
    var leases: LeaseChecks
    private var bounds: [String: [Timed<ClosedRange<Int>>]] = [:]
    private var sizes: [String: [Timed<Int>]] = [:]
    private var ready: [String: [Timed<Int>]] = [:]
    private var turned: [String: Timed<Int>] = [:]
    private var hashes: [String: String] = [:]
    private var observed: [String: Int64] = [:]
    private var beats: [String: Duration] = [:]
    private var minute: [String: (start: Int64, count: Int)] = [:]
    /// The most requests that a process sent in one minute.
    private(set) var busiest = 0

    private struct Timed<Value> {
        var time: Duration
        var value: Value
    }

    /// Checks for a world.
    init(_ scenario: Scenario) {
        self.scenario = scenario
        leases = LeaseChecks(scenario)
        let isCalm = scenario.network.isEmpty && scenario.faults.isEmpty
        staleness = isCalm ? .seconds(15) : .seconds(420)
    }

    /// Counts a request.
    mutating func count(_ process: String, _ time: Duration) -> World.Violation? {
        let now = time.components.seconds / 60
        let entry = minute[process] ?? (now, 0)
        let count = entry.start == now ? entry.count + 1 : 1
        minute[process] = (now, count)
        busiest = max(busiest, count)
        guard count > Self.mostRequestsAMinute else { return nil }
        return World.Violation(
            invariant: "no hot loop",
            message: "\(process) sent more than \(Self.mostRequestsAMinute) requests within a minute"
        )
    }

    /// Notes what was true until a write.
    mutating func before(_ write: Write, _ mirror: Mirror) {
        guard write.target.resource == "modeldeployments.modelfleet.dev", let uid = write.before?.uid else { return }
        // What was allowed until now stays allowed for those who haven't heard.
        if let range = Self.range(write.before) {
            bounds[uid, default: []].append(Timed(time: write.time, value: range))
        }
    }

    /// Checks a write after it took effect.
    mutating func after(_ write: Write, _ mirror: Mirror) -> World.Violation? {
        note(write, mirror)
        leases.note(write)
        let isOperator = write.process.hasPrefix("operator")
        var problem = concurrency(write) ?? immutable(write) ?? honest(write)
        if isOperator {
            problem = problem ?? leads(write) ?? bounded(write, mirror) ?? keeps(write, mirror) ?? weighs(write, mirror)
        }
        problem = problem ?? turns(write, mirror) ?? judges(write)
        if write.process.hasPrefix("controllers") { problem = problem ?? collects(write, mirror) }
        return problem
    }

    private func violation(_ invariant: String, _ write: Write, _ what: String) -> World.Violation {
        World.Violation(invariant: invariant, message: "\(write.process) \(write.verb) \(write.target): \(what)")
    }

    // MARK: History

    private mutating func note(_ write: Write, _ mirror: Mirror) {
        switch write.target.resource {
        case "pods":
            guard let pod = write.after ?? write.before, let model = pod.labels[FleetAPI.modelLabel] else { return }
            let id = "\(model)-r\(pod.revision)"
            append(&ready, id, write.time, mirror.readyPods(model: model, revision: pod.revision).count)
        case "deployments.apps": append(&sizes, write.target.key.name, write.time, write.after?.wanted ?? 0)
        default: break
        }
    }

    /// Keeps what was true within the staleness.
    private func append(_ history: inout [String: [Timed<Int>]], _ id: String, _ time: Duration, _ value: Int) {
        var list = history[id] ?? []
        if list.last?.value != value { list.append(Timed(time: time, value: value)) }
        while list.count > 1, list[1].time < time - staleness { list.removeFirst() }
        history[id] = list
    }

    private static func range(_ model: KubeObject?) -> ClosedRange<Int>? {
        guard let model else { return nil }
        let scaling = ModelDeployment(model).scaling
        return scaling.minReplicas...scaling.maxReplicas
    }

    // MARK: Invariants

    private func concurrency(_ write: Write) -> World.Violation? {
        guard let wanted = write.precondition, let before = write.before, before.resourceVersion != wanted else {
            return nil
        }
        return violation(
            "optimistic concurrency",
            write,
            "it insisted on version \(wanted), and succeeded on \(before.resourceVersion ?? "none")"
        )
    }

    private mutating func immutable(_ write: Write) -> World.Violation? {
        guard write.target.resource == "deployments.apps", let after = write.after, let owner = after.controller?.uid,
            let hash = after.annotations[FleetAPI.revisionHashAnnotation]
        else { return nil }
        let id = "\(owner)/\(after.revision)"
        defer { hashes[id] = hash }
        guard let old = hashes[id], old != hash else { return nil }
        return violation(
            "revisions are immutable",
            write,
            "revision \(after.revision) was rendered from \(old), now from \(hash)"
        )
    }

    private mutating func honest(_ write: Write) -> World.Violation? {
        guard write.target.resource == "modeldeployments.modelfleet.dev", let after = write.after, let uid = after.uid,
            let seen = after["status", "observedGeneration"]?.integer
        else { return nil }
        let last = observed[uid] ?? 0
        observed[uid] = max(last, seen)
        if seen > after.generation ?? 0 {
            return violation("status tells the truth", write, "observedGeneration \(seen) is of the future")
        }
        if seen < last {
            return violation("status tells the truth", write, "observedGeneration went back from \(last) to \(seen)")
        }
        return nil
    }

    private func leads(_ write: Write) -> World.Violation? {
        leases.problem(write).map { violation("one leader writes", write, $0) }
    }

    private func bounded(_ write: Write, _ mirror: Mirror) -> World.Violation? {
        guard write.target.resource == "deployments.apps", let after = write.after, let owner = after.controller,
            write.before?.wanted != after.wanted || write.before == nil
        else { return nil }
        let key = ObjectKey(namespace: after.namespace, name: owner.name)
        let model = mirror.object("modeldeployments.modelfleet.dev", key)
        // Created without a count, which is then 1; the count follows.
        if write.before == nil { return nil }
        if after.wanted == 0 {
            guard mirror.selectedRevision(key) == after.revision, model?.uid == owner.uid else { return nil }
            return violation("stable track stays", write, "the revision with the traffic is scaled to zero")
        }
        let recent = (bounds[owner.uid] ?? []).filter { $0.time >= write.time - staleness }.map(\.value)
        let allowed = recent + [Self.range(model?.uid == owner.uid ? model : nil)].compactMap(\.self)
        if allowed.isEmpty || allowed.contains(where: { $0.contains(after.wanted) }) { return nil }
        let siblings = sizes.filter { $0.key.hasPrefix(owner.name + "-r") && $0.key != after.name }
        let isSize = siblings.contains { entry in entry.value.contains { max(1, $0.value) == after.wanted } }
        if isSize { return nil }
        // A canary has its share, and so has a stable track that gave some up.
        if scenario.hasCanaries, siblings.contains(where: { $0.value.contains { $0.value >= after.wanted } }) {
            return nil
        }
        if scenario.hasCanaries, after.wanted <= allowed.map(\.upperBound).max() ?? 0 { return nil }
        return violation("replicas within bounds", write, "\(after.wanted) is in none of \(allowed)")
    }

    private func keeps(_ write: Write, _ mirror: Mirror) -> World.Violation? {
        guard write.target.resource == "deployments.apps", let before = write.before, let owner = before.controller
        else { return nil }
        let isEmptied = write.after?.wanted == 0 && before.wanted > 0
        let isDeleted = write.after == nil || write.after?.isBeingDeleted == true && !before.isBeingDeleted
        guard isEmptied || isDeleted else { return nil }
        let key = ObjectKey(namespace: before.namespace, name: owner.name)
        guard mirror.object("modeldeployments.modelfleet.dev", key)?.uid == owner.uid else { return nil }
        if mirror.selectedRevision(key) == before.revision, mirror.object("services", key)?.controller?.uid == owner.uid
        {
            return violation("stable track stays", write, "the revision with the traffic goes")
        }
        if let left = turned["\(owner.uid)/\(before.revision)"], write.time - left.time < Self.retirementDelay {
            return violation(
                "stable track stays",
                write,
                "it lost the traffic only \((write.time - left.time).inSeconds) s ago"
            )
        }
        return nil
    }

    private mutating func turns(_ write: Write, _ mirror: Mirror) -> World.Violation? {
        guard write.target.resource == "services", let before = write.before, let after = write.after,
            before.uid == after.uid, let owner = after.controller, owner.name == after.name
        else { return nil }
        let label = FleetAPI.revisionLabel
        guard let old = before["spec", "selector", label]?.string.flatMap({ Int($0) }),
            let new = after["spec", "selector", label]?.string.flatMap({ Int($0) }), old != new
        else { return nil }
        turned["\(owner.uid)/\(old)"] = Timed(time: write.time, value: new)
        guard write.process.hasPrefix("operator") else { return nil }
        // A model that is gone or going needs no traffic.
        let model = mirror.object(
            "modeldeployments.modelfleet.dev",
            ObjectKey(namespace: before.namespace, name: owner.name)
        )
        guard let model, model.uid == owner.uid, !model.isBeingDeleted,
            mirror.controlled("deployments.apps", by: owner.uid).contains(where: { $0.revision == old })
        else { return nil }
        // An old revision without a ready pod has nothing to lose, and yet the new one must be of use.
        let isServing = !mirror.readyPods(model: owner.name, revision: old).isEmpty
        // The first Service of a model, which names no version, may come after the next revision's: it turns nobody away, and is
        // corrected at once.
        guard isServing || !write.isLate else { return nil }
        let needed = isServing ? within(sizes["\(owner.name)-r\(old)"], write.time).min() ?? 1 : 1
        let best = within(ready["\(owner.name)-r\(new)"], write.time).max() ?? 0
        if best >= max(1, needed) { return nil }
        return violation(
            "ready before traffic",
            write,
            "revision \(new) has \(best) ready pods and gets the traffic of revision \(old), which asks for \(needed)"
        )
    }

    /// The values that held at some moment within the staleness.
    private func within(_ history: [Timed<Int>]?, _ now: Duration) -> [Int] {
        guard let history else { return [] }
        let first = history.lastIndex { $0.time <= now - staleness } ?? 0
        return history[first...].map(\.value)
    }

    /// Where news arrive in time, nodes are judged rightly, whatever the clocks say.
    private mutating func judges(_ write: Write) -> World.Violation? {
        if write.isHeartbeat, write.target.namespace == Nodes.leaseNamespace {
            beats[write.target.key.name] = write.time
        }
        guard write.target.resource == "nodes", write.after?.isLostNode == true, write.before?.isLostNode == false,
            scenario.network.isEmpty, scenario.faults.isDisjoint(with: [.partition, .serverRestart])
        else { return nil }
        guard let last = beats[write.target.key.name], write.time - last < Nodes.grace else { return nil }
        return violation(
            "lost nodes are silent",
            write,
            "it renewed its lease \((write.time - last).inSeconds) s ago"
        )
    }

    private func collects(_ write: Write, _ mirror: Mirror) -> World.Violation? {
        guard let before = write.before, !before.isBeingDeleted, write.after?.isBeingDeleted ?? true,
            let owner = before.controller, owner.kind == "ModelDeployment" || owner.kind == "Service"
        else { return nil }
        let resource = owner.kind == "Service" ? "services" : "modeldeployments.modelfleet.dev"
        let present = mirror.object(resource, ObjectKey(namespace: before.namespace, name: owner.name))
        guard let present, present.uid == owner.uid, !present.isBeingDeleted else { return nil }
        return violation("only orphans are collected", write, "its owner \(owner.kind) \(owner.name) exists")
    }

    // MARK: Canaries

    private static func weight(_ service: KubeObject?) -> Int {
        guard let text = service?.annotations[FleetAPI.trafficAnnotation],
            let rule = try? JSONValue(parsing: Array(text.utf8))
        else { return 0 }
        return rule.at("backends")?[0]?["weight"]?.int ?? 0
    }

    /// Weights rise behind readiness, and no pods go from behind a weight.
    private func weighs(_ write: Write, _ mirror: Mirror) -> World.Violation? {
        if write.target.resource == "services", let after = write.after, let owner = after.controller,
            owner.name == after.name
        {
            let (old, new) = (Self.weight(write.before), Self.weight(after))
            guard new > old, let selected = mirror.selectedRevision(Self.canaryService(after.key)),
                let stable = mirror.selectedRevision(after.key), stable != selected
            else { return nil }
            let size = within(sizes["\(owner.name)-r\(stable)"], write.time).min() ?? 1
            let best = within(ready["\(owner.name)-r\(selected)"], write.time).max() ?? 0
            if best > 0, best * 100 + 99 >= size * new || best >= size { return nil }
            return violation(
                "weight after readiness",
                write,
                "revision \(selected) had \(best) ready pods and gets \(new) % of what \(size) carry"
            )
        }
        guard write.target.resource == "deployments.apps", let before = write.before, let owner = before.controller,
            write.after == nil || write.after?.wanted == 0 && before.wanted > 0
        else { return nil }
        let key = ObjectKey(namespace: before.namespace, name: owner.name)
        guard mirror.object("modeldeployments.modelfleet.dev", key)?.uid == owner.uid,
            let root = mirror.object("services", key), root.controller?.uid == owner.uid, Self.weight(root) > 0,
            mirror.selectedRevision(Self.canaryService(key)) == before.revision
        else { return nil }
        return violation("canary with a share stays", write, "the routes give it \(Self.weight(root)) %")
    }

    private static func canaryService(_ model: ObjectKey) -> ObjectKey {
        ObjectKey(namespace: model.namespace, name: "\(model.name)-canary")
    }
}
