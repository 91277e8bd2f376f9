// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import KubeServer
import KubeTesting
import Synchronization

/// What came of a world.
public struct Outcome: Sendable {
    /// The broken promise; `nil` when all held.
    public var violation: World.Violation?
    /// What happened, line by line.
    public var trace: [String]
    /// When the world came to rest, in virtual time.
    public var end: Duration
    /// The most requests of one process in a minute.
    public var busiest: Int
    /// How many jobs ran.
    public var jobs: Int
    /// What was injected, and how often.
    public var injected: [String: Int]
}

extension World {
    /// Lives through a scenario.
    public static func run(_ scenario: Scenario) -> Outcome {
        let world = World(scenario)
        world.trace.note("world", scenario.summary)
        let end = world.live()
        let (violation, busiest) = world.state.withLock { state in
            // The nodes hold the world: without this no world would ever be let go.
            state.onWrite = nil
            return (state.violation, state.checks.busiest)
        }
        return Outcome(
            violation: violation,
            trace: world.trace.all,
            end: end,
            busiest: busiest,
            jobs: world.scheduler.jobCount,
            injected: world.profile.tally.all
        )
    }

    private func live() -> Duration {
        let nodes = Nodes(self)
        state.withLock { $0.onWrite = { nodes.observe($0) } }
        let hands = scheduler.makeProcess("user")
        let user = User(self, hands)
        let load = Load(scenario)
        let scrape = ClosureExchange { [self] request in
            let time = scheduler.now
            return try await nodes.scrape(request) { load.of($0, at: time) }
        }
        let (operators, controllers) = makePrograms(scrape: scrape)
        let programs = operators + [controllers]
        hands.spawn { [self] in
            do {
                try await user.prepare()
                if scenario.hasHeartbeats {
                    for node in Nodes.names { hands.spawn { try? await nodes.beat(node) } }
                    try await scheduler.sleep(for: .milliseconds(1))
                }
                for program in programs { program.keepRunning(in: hands) }
                startTrouble(operators, controllers, nodes, hands)
                try await user.act()
            } catch is CancellationError {
            } catch {
                fail("the simulation itself", "\(error)")
            }
        }
        if scenario.elects { watchLeases(operators, hands) }
        if !advance(to: scenario.troubleTime) { return end(programs) }
        trace.note("world", "the trouble ends")
        state.withLock { $0.isTroubled = false }
        profile.set([:])
        waitForRest(operators)
        return end(programs)
    }

    /// Lets time pass; `false` when the run is over.
    private func advance(to time: Duration) -> Bool {
        switch scheduler.run(until: time) {
        case .reached: return true
        case .stopped: return false
        case .stuck:
            fail("no hot loop", "more than \(SimScheduler.mostJobsAtOnce) jobs ran without time passing")
            return false
        }
    }

    /// Waits until the world is right and nothing is written any more, or the limit has come.
    private func waitForRest(_ operators: [Program]) {
        func rest() -> Rest {
            Rest(mirror: state.withLock { $0.mirror }, knowsTime: !scenario.faults.contains(.clockJump))
        }
        func differences() -> [String] {
            let (mirror, leases) = state.withLock { ($0.mirror, $0.checks.leases) }
            return rest().differences()
                + (scenario.hasHeartbeats ? Rest.differences(ofNodes: mirror.all("nodes")) : [])
                + leases.differences(scheduler.now, processes: operators.compactMap(\.living))
        }
        let limit = scenario.troubleTime + scenario.restLimit
        while scheduler.now < limit {
            guard advance(to: scheduler.now + .seconds(10)) else { return }
            // A rollback that waits for a stable track which never serves says so with each new deadline.
            let isQuiet = scheduler.now - state.withLock { $0.lastWrite } >= scenario.quietTime
            guard isQuiet || rest().hasWaitingRollback else { continue }
            if differences().isEmpty { return }
        }
        let minutes = Int(scenario.restLimit.inSeconds / 60)
        if differences().isEmpty {
            let writes = state.withLock { $0.lastWrites }
            fail("rests", "writes go on \(minutes) minutes after the trouble: \(writes.joined(separator: "; "))")
        } else {
            fail("converges", "\(minutes) minutes after the trouble: \(differences().joined(separator: "; "))")
        }
    }

    /// Looks every second whether a lease waits for a holder longer than it may.
    private func watchLeases(_ operators: [Program], _ hands: SimProcess) {
        hands.spawn { [self] in
            while !isOver {
                try? await scheduler.sleep(for: .seconds(1))
                guard !isOver, let since = operators.compactMap(\.wellSince).min() else { continue }
                let (now, disturbed) = (scheduler.now, operators.map(\.lastDisturbance).max() ?? .zero)
                let overdue = state.withLock { $0.checks.leases.overdue(now, wellSince: since, disturbed: disturbed) }
                if let overdue {
                    fail("takeover", overdue)
                }
            }
        }
    }

    /// Ends all processes, and checks that they do end.
    private func end(_ programs: [Program]) -> Duration {
        let time = scheduler.now
        state.withLock { $0.isOver = true }
        profile.set([:])
        for program in programs { program.cancel() }
        _ = scheduler.run(until: time + .seconds(60))
        for _ in 0..<50 where scheduler.sleeperCount > 0 {
            scheduler.cancelSleepers()
            scheduler.drain()
        }
        if scheduler.strayCount > 0 {
            fail("the simulation itself", "\(scheduler.strayCount) jobs came from outside of the simulation")
        }
        return time
    }

    // MARK: Trouble

    private func startTrouble(_ operators: [Program], _ controllers: Program, _ nodes: Nodes, _ hands: SimProcess) {
        profile.set(scenario.network)
        let random = random(for: "trouble")
        for fault in scenario.faults.sorted(by: { $0.rawValue < $1.rawValue }) {
            for _ in 0..<scenario.strikes {
                let time = scenario.troubleTime.inSeconds * (0.1 + 0.85 * random.unit())
                let victim = operators[Int(random.next() % UInt64(operators.count))]
                let (one, other) = (random.unit(), random.unit())
                hands.spawn { [self] in
                    try? await scheduler.sleep(for: .seconds(time))
                    guard !isOver else { return }
                    try? await strike(fault, victim, one < 0.3 ? controllers : victim, nodes, other)
                    // What is restored must be so even if the world has come to its end meanwhile.
                }
            }
        }

        @Sendable func strike(
            _ fault: WorldFault,
            _ victim: Program,
            _ either: Program,
            _ nodes: Nodes,
            _ draw: Double
        ) async throws {
            switch fault {
            case .operatorCrash: victim.kill()
            case .operatorShutdown: try await victim.terminate()
            case .operatorPause: try await victim.pause(for: 5 + 60 * draw)
            case .controllersCrash: controllers.kill()
            case .partition: try await either.cutOff(for: 2 + 80 * draw)
            case .serverRestart: await restartServer(operators + [controllers], for: 0.5 + 20 * draw)
            case .nodeLoss where scenario.hasHeartbeats:
                try await nodes.fallSilent(draw < 0.5 ? "node-1" : "node-2", for: 5 + 600 * draw * draw) {
                    controllers.wellSince
                }
            case .nodeLoss: try await nodes.lose(draw < 0.5 ? "node-1" : "node-2", for: 5 + 200 * draw)
            case .clockJump, .podCrash, .slowPods, .scrapeTrouble: break
            }
        }
    }

    private func restartServer(_ programs: [Program], for seconds: Double) async {
        trace.note("world", "the API server is away for \(Int(seconds)) s")
        for program in programs { program.setServerIsUp(false) }
        profile.tally.note("server: restarted, history compacted")
        server.endWatches()
        server.compact()
        try? await scheduler.sleep(for: .seconds(seconds))
        for program in programs { program.setServerIsUp(true) }
    }
}

/// The waiting requests of each model over time: some steps while there is trouble, then constant.
private struct Load: Sendable {
    private let seed: UInt64
    private let step: Double
    private let end: Double

    init(_ scenario: Scenario) {
        seed = scenario.seed
        step = 30 + Double(scenario.seed % 60)
        end = scenario.troubleTime.inSeconds
    }

    func of(_ model: String, at time: Duration) -> Double {
        let index = UInt64(min(time.inSeconds, end) / step)
        let hash = model.utf8.reduce(seed &* 31 &+ index) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return Double(SeededRandom(seed: hash).next() % 25)
    }
}
