// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
public import KubeTesting

/// Kinds of trouble beyond the network's.
public enum WorldFault: String, Sendable, Hashable, CaseIterable {
    /// An operator dies between any two instructions and starts again from nothing.
    case operatorCrash
    /// An operator stands still for longer than its lease, and wakes.
    case operatorPause
    /// The process with the workload controllers dies and starts again.
    case controllersCrash
    /// A process can't reach the API server for a while.
    case partition
    /// The API server goes away, comes back, and has forgotten its history.
    case serverRestart
    /// Processes start with clocks that are off.
    case clockJump
    /// A node is lost with its pods.
    case nodeLoss
    /// Pods crash after they were ready.
    case podCrash
    /// Pods take long to get ready.
    case slowPods
    /// Metrics pages are slow or missing.
    case scrapeTrouble
    /// An operator is told to end (SIGTERM), and starts again.
    case operatorShutdown
}

/// Everything that a seed decides about a world before it starts.
public struct Scenario: Sendable {
    /// The seed.
    public var seed: UInt64
    /// How many operators run; more than one elect a leader.
    public var operators = 1
    /// Whether operators elect a leader.
    public var elects = false
    /// Into how many shards the models are split; more than 1 means that the operators share them.
    public var shards = 1
    /// Whether nodes say by leases that they live, and the real node controllers judge by these; otherwise both are played.
    public var hasHeartbeats = false
    /// How many models the user begins with.
    public var models = 2
    /// How long faults and the user's changes go on.
    public var troubleTime = Duration.seconds(180)
    /// How long the world then has to come to rest.
    public var restLimit = Duration.seconds(1500)
    /// How long nothing may be written for the world to be at rest.
    public var quietTime = Duration.seconds(70)
    /// The chances of network faults.
    public var network: [NetworkFault: Double] = [:]
    /// What else goes wrong.
    public var faults: Set<WorldFault> = []
    /// How many changes of the API server's history are kept.
    public var historyLimit = 5000
    /// How many things the user does after the beginning.
    public var userActions = 6
    /// How often each of `faults` strikes.
    public var strikes = 2
    /// Whether the user rolls out with canaries, previews and mirrors, and steers rollouts.
    public var hasCanaries = false

    /// A world without faults.
    public static func calm(seed: UInt64) -> Scenario {
        var scenario = Scenario(seed: seed)
        scenario.makeSmall()
        return scenario
    }

    /// A world with one kind of network fault, at a high rate.
    public static func only(_ fault: NetworkFault, seed: UInt64) -> Scenario {
        var scenario = Scenario(seed: seed)
        scenario.makeSmall()
        scenario.network = [fault: fault.isAboutWatches ? 0.08 : 0.15]
        return scenario
    }

    /// A world with one kind of other fault.
    public static func only(_ fault: WorldFault, seed: UInt64) -> Scenario {
        var scenario = Scenario(seed: seed)
        scenario.makeSmall()
        scenario.faults = [fault]
        scenario.strikes = 3
        if [.operatorPause, .operatorCrash, .operatorShutdown].contains(fault) {
            scenario.elects = true
            scenario.operators = 2
        }
        return scenario
    }

    /// A world whose models are split over several operators, which die, stand still and are told to end.
    public static func sharded(seed: UInt64) -> Scenario {
        var scenario = Scenario(seed: seed)
        scenario.makeSmall()
        scenario.models = 4
        scenario.shards = 4
        scenario.elects = true
        scenario.operators = 3
        scenario.faults = [.operatorCrash, .operatorPause, .operatorShutdown]
        return scenario
    }

    /// A world whose nodes fall silent, and are judged by the real node controllers.
    public static func silentNodes(seed: UInt64) -> Scenario {
        var scenario = Scenario(seed: seed)
        scenario.makeSmall()
        scenario.troubleTime = .seconds(200)
        scenario.hasHeartbeats = true
        scenario.faults = [.nodeLoss, .clockJump, .controllersCrash]
        return scenario
    }

    /// A world of canaries: operators crash, views are late, and the user starts, aborts, promotes and retries rollouts.
    public static func canaries(seed: UInt64) -> Scenario {
        var scenario = Scenario(seed: seed)
        scenario.makeSmall()
        scenario.troubleTime = .seconds(200)
        scenario.userActions = 10
        scenario.hasCanaries = true
        scenario.faults = [.operatorCrash, .podCrash]
        scenario.network = [.watchDelayed: 0.05]
        return scenario
    }

    /// A world as the seed wants it: some kinds of fault, each at a rate of its own.
    public init(drawing seed: UInt64) {
        self.init(seed: seed)
        let random = SeededRandom(seed: seed ^ 0x5ce7a210)
        func chance(_ probability: Double) -> Bool { random.unit() < probability }
        elects = chance(0.35)
        operators = elects && chance(0.7) ? 2 : 1
        models = 2 + Int(random.next() % 3)
        troubleTime = .seconds(90 + Int(random.next() % 210))
        historyLimit = chance(0.4) ? 30 + Int(random.next() % 200) : 5000
        userActions = 2 + Int(random.next() % 7)
        strikes = 1 + Int(random.next() % 3)
        for fault in NetworkFault.allCases where chance(0.4) {
            let rate = random.unit()
            network[fault] = (fault.isAboutWatches ? 0.06 : 0.12) * rate * rate
        }
        for fault in WorldFault.allCases where chance(0.35) { faults.insert(fault) }
        if chance(0.25) {
            shards = 2 + Int(random.next() % 4)
            elects = true
            operators = 2 + Int(random.next() % 2)
        }
        hasHeartbeats = chance(0.4)
        if !elects { faults.remove(.operatorPause) }
        hasCanaries = chance(0.5)
    }

    private init(seed: UInt64) { self.seed = seed }

    /// What a test without optimisation lives through in a few seconds.
    private mutating func makeSmall() {
        troubleTime = .seconds(80)
        quietTime = .seconds(40)
        userActions = 4
    }

    /// One line about the world.
    public var summary: String {
        let rates = network.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { "\($0.key.rawValue) \(Int($0.value * 1000))‰" }
        let others = faults.map(\.rawValue).sorted()
        return "seed \(seed): \(models) models, \(operators) operator(s)\(elects ? " with election" : "")"
            + "\(shards > 1 ? " of \(shards) shards" : ""), "
            + "trouble for \(troubleTime.components.seconds) s, history of \(historyLimit), "
            + "\(hasHeartbeats ? "heartbeats, " : "")\(hasCanaries ? "canaries, " : "")"
            + "faults: \((rates + others).joined(separator: ", "))"
    }
}

extension NetworkFault {
    /// Whether it strikes each chunk of a watch rather than each request.
    var isAboutWatches: Bool { rawValue.hasPrefix("watch") }
}
