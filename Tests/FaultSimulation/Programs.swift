// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Controllers
import HTTPMessages
import KubeAPI
import KubeTesting
import LocalCluster
import ServiceLifecycleTestKit
import Synchronization

/// One program that must always run: a new process is started whenever one ended or was killed.
final class Program: Sendable {
    /// One process of the program.
    struct Incarnation: Sendable {
        var process: SimProcess
        var link: SimLink
        var ending: Ending
        var since: Duration
        var task: Task<Void, Never>?
    }

    /// How a process is told to end, and whether it has.
    final class Ending: Sendable {
        private struct State {
            var trigger: GracefulShutdownTestTrigger?
            var isAsked = false
            var isOver = false
        }

        private let state = Mutex(State())

        /// Whether the process was asked to end.
        var isAsked: Bool { state.withLock { $0.isAsked } }
        /// Whether it has ended.
        var isOver: Bool { state.withLock { $0.isOver } }

        func arm(_ trigger: GracefulShutdownTestTrigger) { state.withLock { $0.trigger = trigger } }
        func noteEnd() { state.withLock { $0.isOver = true } }

        /// Asks; `false` for a process that hasn't begun, was asked before or is over.
        func ask() -> Bool {
            let trigger = state.withLock { state -> GracefulShutdownTestTrigger? in
                guard !state.isAsked, !state.isOver else { return nil }
                state.isAsked = state.trigger != nil
                return state.trigger
            }
            trigger?.triggerGracefulShutdown()
            return trigger != nil
        }
    }

    private struct State {
        var number = 0
        var current: Incarnation?
    }

    let name: String
    private let world: World
    private let body: @Sendable (Incarnation) async throws -> Void
    private let random: SeededRandom
    private let state = Mutex(State())
    /// How many pauses of each process are under way, by its name: they may overlap.
    private let pauses = Mutex<[String: Int]>([:])

    init(_ name: String, in world: World, _ body: @escaping @Sendable (Incarnation) async throws -> Void) {
        self.name = name
        self.world = world
        self.body = body
        random = world.random(for: "program " + name)
    }

    /// Starts the program, and starts it again until the world is over.
    func keepRunning(in supervisor: SimProcess) {
        supervisor.spawn { [self] in
            while !world.isOver {
                let task = start()
                await task.value
                try? await world.scheduler.sleep(for: .seconds(1 + 10 * random.unit()))
            }
        }
    }

    private func start() -> Task<Void, Never> {
        let number = state.withLock { state in
            state.number += 1
            return state.number
        }
        let process = world.scheduler.makeProcess("\(name).\(number)")
        let incarnation = Incarnation(
            process: process,
            link: world.link(process),
            ending: Ending(),
            since: world.scheduler.now
        )
        world.trace.note(process.name, "starts")
        world.noteEvent()
        let task = process.spawn { [self] in
            await testGracefulShutdown { trigger in
                incarnation.ending.arm(trigger)
                do {
                    try await body(incarnation)
                    world.trace.note(process.name, "ends")
                } catch {
                    world.trace.note(process.name, "ends: \(error)")
                }
            }
            incarnation.ending.noteEnd()
            world.noteEvent()
        }
        state.withLock { state in
            state.current = incarnation
            state.current?.task = task
        }
        return task
    }

    /// Kills the present process: from now on nothing of it reaches the world.
    func kill() {
        guard let current = state.withLock({ $0.current }) else { return }
        world.trace.note("world", "kills \(current.process.name)")
        let isBusy = current.link.past.writesUnderWay > 0
        world.profile.tally.note("process: killed\(isBusy ? " with a write under way" : "")")
        world.noteEvent()
        current.link.set(.dead)
        current.process.resume()
        current.task?.cancel()
    }

    /// Asks the present process to end, as at the end of the world.
    func cancel() {
        guard let current = state.withLock({ $0.current }) else { return }
        current.process.resume()
        current.task?.cancel()
    }

    /// Stops the present process for a while.
    func pause(for seconds: Double) async throws {
        guard let current = state.withLock({ $0.current }) else { return }
        world.trace.note("world", "pauses \(current.process.name) for \(Int(seconds)) s")
        world.profile.tally.note("process: paused")
        current.link.noteTrouble()
        pauses.withLock { $0[current.process.name, default: 0] += 1 }
        current.process.pause()
        try? await world.scheduler.sleep(for: .seconds(seconds))
        let left = pauses.withLock { pauses in
            pauses[current.process.name, default: 1] -= 1
            return pauses[current.process.name] ?? 0
        }
        guard left == 0 else { return }
        world.trace.note("world", "wakes \(current.process.name)")
        current.link.noteTrouble()
        current.process.resume()
    }

    private func isPaused(_ current: Incarnation) -> Bool { pauses.withLock { $0[current.process.name] ?? 0 } > 0 }

    /// Asks the present process to end, as SIGTERM does, and kills it when it hasn't within `grace`, the time that a pod gets.
    ///
    /// In quiet times it ends, gives up no write, and holds no lease afterwards.
    func terminate(grace: Duration = .seconds(30)) async throws {
        guard let current = state.withLock({ $0.current }), !isPaused(current), current.ending.ask() else {
            return
        }
        let (name, start, before) = (current.process.name, world.scheduler.now, current.link.past)
        world.trace.note("world", "tells \(name) to end")
        let isBusy = before.writesUnderWay > 0
        world.profile.tally.note("process: SIGTERM\(isBusy ? " with a write under way" : "")")
        world.noteEvent()
        while !current.ending.isOver, !world.isOver, world.scheduler.now - start < grace {
            try await world.scheduler.sleep(for: .milliseconds(200))
        }
        guard !world.isOver else { return }
        let past = current.link.past
        let isQuiet = past.troubled == 0 && (past.lastTrouble.map { start - $0 > .seconds(45) } ?? true)
        guard current.ending.isOver else {
            if isQuiet { world.fail("a shutdown ends", "\(name) hasn't ended \(grace.inSeconds) s after SIGTERM") }
            if state.withLock({ $0.current?.process.name == name }) { kill() }
            return
        }
        guard isQuiet else { return }
        world.profile.tally.note("process: SIGTERM in quiet times, all promises checked")
        let lost = past.givenUp.dropFirst(before.givenUp.count).filter { !$0.contains("/leases/") }
        if !lost.isEmpty { world.fail("a shutdown gives up no write", "\(name): \(lost.joined(separator: ", "))") }
        if world.isHolder(name) { world.fail("a shutdown releases the leases", "\(name) still holds one") }
    }

    /// Since when the present process lives and gets answers; `nil` while it doesn't.
    var wellSince: Duration? {
        guard let current = state.withLock({ $0.current }), current.link.isUp, !isPaused(current),
            !current.ending.isAsked, !current.ending.isOver, current.link.past.troubled == 0
        else { return nil }
        return lastDisturbance
    }

    /// When the present process began, or was in trouble last.
    var lastDisturbance: Duration {
        guard let current = state.withLock({ $0.current }) else { return .zero }
        let past = current.link.past
        return past.troubled > 0 ? world.scheduler.now : max(current.since, past.lastTrouble ?? .zero)
    }

    /// The name of the present process, if it lives.
    var living: String? {
        state.withLock { $0.current }.flatMap { $0.ending.isOver || $0.ending.isAsked ? nil : $0.process.name }
    }

    /// Cuts the present process off for a while.
    func cutOff(for seconds: Double) async throws {
        guard let current = state.withLock({ $0.current }) else { return }
        world.profile.tally.note("process: cut off")
        world.trace.note("world", "cuts off \(current.process.name) for \(Int(seconds)) s")
        current.link.set(.down)
        try? await world.scheduler.sleep(for: .seconds(seconds))
        current.link.set(.up)
    }

    /// Whether the present process is cut off by the API server's absence.
    func setServerIsUp(_ isUp: Bool) { state.withLock { $0.current }?.link.set(isUp ? .up : .down) }
}

extension World {
    /// The programs under test.
    func makePrograms(scrape: any HTTPExchange) -> (operators: [Program], controllers: Program) {
        let scenario = scenario
        let operators = (1...scenario.operators).map { number in
            Program("operator-\(number)", in: self) { [self] incarnation in
                let clock = clock(of: incarnation.process)
                let random = random(for: incarnation.process.name)
                var configuration = OperatorConfiguration()
                configuration.electsLeader = scenario.elects
                configuration.shards = scenario.shards
                configuration.identity = incarnation.process.name
                let service = OperatorService(
                    client: KubeClient(exchange: incarnation.link, time: clock, random: random),
                    scrapeExchange: scrape,
                    time: clock,
                    random: random,
                    logger: logger(incarnation.process.name),
                    configuration: configuration
                )
                try await service.run()
            }
        }
        let controllers = Program("controllers", in: self) { [self] incarnation in
            let clock = clock(of: incarnation.process)
            let random = random(for: incarnation.process.name)
            let client = KubeClient(
                exchange: incarnation.link,
                fieldManager: "modelfleet-local",
                time: clock,
                random: random
            )
            let workloads = WorkloadControllers(
                client: client,
                time: clock,
                random: random,
                logger: logger(incarnation.process.name),
                watchesNodes: scenario.hasHeartbeats
            )
            try await workloads.run()
        }
        return (operators, controllers)
    }

    /// The clock that a new process reads at its start: off by up to ten minutes, where clocks jump.
    private func clock(of process: SimProcess) -> SimClock {
        guard scenario.faults.contains(.clockJump) else { return SimClock(scheduler) }
        let random = random(for: "clock " + process.name)
        let limit = random.unit() < 0.5 ? 5.0 : 600.0
        let offset = isTroubled ? (random.unit() * 2 - 1) * limit : 0
        if offset != 0 { profile.tally.note("process: starts with a clock that jumped") }
        trace.note(process.name, "its clock is off by \(Int(offset)) s")
        return SimClock(scheduler, offset: .milliseconds(Int(offset * 1000)))
    }
}
