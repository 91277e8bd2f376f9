// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPMessages
import HTTPServing
import HTTPTypes
import Logging
import ServiceLifecycle
import Synchronization

@testable import LocalCluster

/// Makes pods that are HTTP servers in this process, on `POD_IP` and port 8080.
///
/// Each answers `GET /healthy`, `/ready` and `/started` as its switches say, and everything else with its argument.
/// When asked to end, it does as well-behaved servers do: it turns unready, serves on for a moment, drains and ends.
final class HTTPPodSpawner: PodProcessSpawner {
    /// What a pod's answers depend on, and what it was asked.
    struct Switches: Sendable {
        var isHealthy = true
        var isReady = true
        var isStarted = true
        var asked: [String] = []
    }

    /// The switches of all pods.
    let switches = Mutex(Switches())
    /// How many instances have started.
    let starts = Mutex(0)
    private let lastService: Duration

    /// A spawner whose pods serve on for `lastService` after they were asked to end.
    init(lastService: Duration = .milliseconds(700)) { self.lastService = lastService }

    func spawn(
        _ request: ProcessRequest,
        output: @escaping @Sendable ([UInt8]) -> Void
    ) async throws -> any PodProcess {
        starts.withLock { $0 += 1 }
        let answer = request.arguments.first ?? ""
        let exchange = ClosureExchange { [self] request in
            let path = String(request.path)
            let state = switches.withLock { state in
                if path != "/" { state.asked.append(path) }
                return state
            }
            _ = try await request.body.collect(upTo: 1 << 20)
            let isGood =
                switch path {
                case "/healthy": state.isHealthy
                case "/ready": state.isReady
                case "/started": state.isStarted
                default: true
                }
            return HTTPResponseMessage(status: isGood ? .ok : .serviceUnavailable, text: answer)
        }
        var logger = Logger(label: "pod")
        logger.logLevel = .critical
        let (listening, listens) = AsyncStream<Void>.makeStream()
        let service = HTTPService(
            exchange: exchange,
            host: request.environment["POD_IP"] ?? "",
            port: 8080,
            logger: logger
        ) { _ in listens.finish() }
        let process = HTTPPodProcess(ServiceGroup(services: [service], logger: logger), lastService: lastService)
        process.begin()
        for await _ in listening {}
        return process
    }
}

/// One of them.
private final class HTTPPodProcess: PodProcess {
    private struct State {
        var task: Task<Void, Never>?
        var isEnding = false
        var wasKilled = false
    }

    private let group: ServiceGroup
    private let lastService: Duration
    private let state = Mutex(State())

    init(_ group: ServiceGroup, lastService: Duration) {
        self.group = group
        self.lastService = lastService
    }

    func begin() {
        let task = Task { [group] in
            do { try await group.run() } catch {}
        }
        state.withLock { $0.task = task }
    }

    func send(_ signal: ProcessSignal) {
        switch signal {
        case .kill:
            state.withLock { state in
                state.wasKilled = true
                state.task?.cancel()
            }
        case .terminate:
            let isFirst = state.withLock { state in
                defer { state.isEnding = true }
                return !state.isEnding
            }
            guard isFirst else { return }
            Task { [group, lastService] in
                try? await Task.sleep(for: lastService)
                await group.triggerGracefulShutdown()
            }
        }
    }

    func waitForExit() async -> ProcessExit {
        await state.withLock { $0.task }?.value
        return state.withLock { $0.wasKilled } ? .signal(9) : .code(0)
    }
}
