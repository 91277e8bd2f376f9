// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import KubeRuntime

/// What must be true of the operators' leases.
///
/// | invariant | in words |
/// | --- | --- |
/// | `one leader writes` | an operator writes only what is of a model whose lease it holds, within the lease's time |
/// | `takeover` | a lease that is free, or whose time is up, is held again soon if an operator is well |
/// | `every shard has its owner` | at rest each lease is held and renewed by an operator that lives, and all hold as many |
struct LeaseChecks {
    /// The namespace of the leases.
    static let namespace = "modelfleet-system"
    /// For how long a lease holds after its renewal (`LeaseTiming`), and a second for the way to the server.
    static let time = Duration.seconds(16)
    /// When a lease must be held again that was given back: four tries of whoever waits.
    static let takeoverAtOnce = Duration.seconds(8)
    /// When a lease must be held again whose holder is silent: its time, as long as it takes to notice the last renewal,
    /// and three tries.
    static let takeover = Duration.seconds(23)

    /// Who wrote a lease last, and when.
    private struct Holding {
        var holder: String
        var time: Duration
    }

    private let scenario: Scenario
    private var holdings: [String: Holding] = [:]
    /// When a process of an operator last began or ended.
    private var lastEvent = Duration.zero

    /// Checks for a world.
    init(_ scenario: Scenario) { self.scenario = scenario }

    /// Notes that a process of an operator begins, ends or dies: until then others counted on it.
    mutating func noteEvent(_ time: Duration) { lastEvent = max(lastEvent, time) }

    /// Notes a write of a lease.
    mutating func note(_ write: Write) {
        guard write.isHeartbeat, write.target.namespace == Self.namespace, let name = write.target.name else { return }
        holdings[name] = write.after.map {
            Holding(holder: $0["spec", "holderIdentity"]?.string ?? "", time: write.time)
        }
    }

    /// Checks a write of an operator.
    func problem(_ write: Write) -> String? {
        guard scenario.elects, !write.isHeartbeat, write.target.resource != "events" else { return nil }
        let name = scenario.shards > 1 ? Self.shardLease(Self.model(of: write), scenario.shards) : Self.leaders
        guard let holding = holdings[name], holding.holder.hasPrefix(Self.prefix(write.process)) else {
            return "the lease \(name) is \(holdings[name].map { $0.holder.isEmpty ? "free" : $0.holder } ?? "missing")"
        }
        guard write.time - holding.time <= Self.time else {
            return "it renewed the lease \(name) \((write.time - holding.time).inSeconds) s ago"
        }
        return nil
    }

    /// Whether a process holds any lease.
    func isHolder(_ process: String) -> Bool {
        names.contains { holdings[$0]?.holder.hasPrefix(Self.prefix(process)) ?? false }
    }

    /// Which lease somebody who is well since `wellSince` should have taken by now; `disturbed` is when any operator was in
    /// trouble last.
    func overdue(_ now: Duration, wellSince: Duration, disturbed: Duration) -> String? {
        guard scenario.elects else { return nil }
        for name in names {
            let holding = holdings[name] ?? Holding(holder: "", time: .zero)
            let rest = holding.holder.isEmpty ? Self.takeoverAtOnce : Self.takeover
            var due = max(holding.time, wellSince) + rest
            // A share of the shards is kept for a replica that is silent until its sign of life is old.
            if scenario.shards > 1 { due = max(due, max(lastEvent, disturbed) + Self.takeover) }
            if now > due {
                let who = holding.holder.isEmpty ? "nobody" : "\(holding.holder), which is silent,"
                return "\(who) has held the lease \(name) for \((now - holding.time).inSeconds) s"
            }
        }
        return nil
    }

    /// What isn't as it should be at rest.
    func differences(_ now: Duration, processes: [String]) -> [String] {
        guard scenario.elects else { return [] }
        var found: [String] = []
        var counts = processes.map { _ in 0 }
        for name in names {
            guard let holding = holdings[name], now - holding.time <= Self.time,
                let place = processes.firstIndex(where: { holding.holder.hasPrefix(Self.prefix($0)) })
            else {
                found.append("the lease \(name) isn't held by an operator that lives")
                continue
            }
            counts[place] += 1
        }
        if scenario.shards > 1, let most = counts.max(), let fewest = counts.min(), most - fewest > 1 {
            found.append("the shards are shared unevenly: \(counts)")
        }
        return found
    }

    private static let leaders = "modelfleet-operator"

    private var names: [String] {
        scenario.shards > 1 ? (0..<scenario.shards).map { "\(Self.leaders)-shard-\($0)" } : [Self.leaders]
    }

    private static func shardLease(_ model: ObjectKey, _ shards: Int) -> String {
        "\(leaders)-shard-\(ShardMap(count: shards).shard(of: model))"
    }

    /// A lease's holder is the process's name with what a Lease's name may have, and a random part.
    private static func prefix(_ process: String) -> String { process.replacing(".", with: "-") + "-" }

    /// The model that an object is of.
    private static func model(of write: Write) -> ObjectKey {
        let object = write.after ?? write.before
        // A pod's controller is a ReplicaSet; its label names the model.
        if write.target.resource == "pods", let model = object?.labels[FleetAPI.modelLabel] {
            return ObjectKey(namespace: write.target.namespace, name: model)
        }
        let owner = object?.controller
        return owner.map { ObjectKey(namespace: write.target.namespace, name: $0.name) } ?? write.target.key
    }
}
