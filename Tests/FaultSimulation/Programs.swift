// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Controllers
import HTTPMessages
import KubeAPI
import KubeTesting
import LocalCluster
import Synchronization

/// One program that must always run: a new process is started whenever one ended or was killed.
final class Program: Sendable {
    /// One process of the program.
    struct Incarnation: Sendable {
        var process: SimProcess
        var link: SimLink
        var task: Task<Void, Never>?
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
        let incarnation = Incarnation(process: process, link: world.link(process))
        world.trace.note(process.name, "starts")
        let task = process.spawn { [self] in
            do {
                try await body(incarnation)
                world.trace.note(process.name, "ends")
            } catch {
                world.trace.note(process.name, "ends: \(error)")
            }
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
        current.process.pause()
        try? await world.scheduler.sleep(for: .seconds(seconds))
        world.trace.note("world", "wakes \(current.process.name)")
        current.process.resume()
    }

    /// Cuts the present process off for a while.
    func cutOff(for seconds: Double) async throws {
        guard let current = state.withLock({ $0.current }) else { return }
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
                logger: logger(incarnation.process.name)
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
        trace.note(process.name, "its clock is off by \(Int(offset)) s")
        return SimClock(scheduler, offset: .milliseconds(Int(offset * 1000)))
    }
}
