// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import HTTPMessages
import KubeAPI
import KubeModel
import KubeRuntime
import KubeServer
import Logging
import Synchronization
import Testing

@testable import LocalCluster

/// Processes that only pretend: the first of each container runs until it is told how it ends, others pass at once.
final class PretendedSpawner: PodProcessSpawner {
    /// One process.
    final class Process: PodProcess {
        private let ends = AsyncStream<ProcessExit>.makeStream()

        func send(_ signal: ProcessSignal) { end(.signal(signal == .kill ? 9 : 15)) }

        func end(_ exit: ProcessExit) {
            ends.continuation.yield(exit)
            ends.continuation.finish()
        }

        func waitForExit() async -> ProcessExit {
            for await exit in ends.stream { return exit }
            return .signal(9)
        }
    }

    private let started = Mutex<[(request: ProcessRequest, process: Process)]>([])

    /// What was asked for, in order.
    var requests: [ProcessRequest] { started.withLock { $0.map(\.request) } }
    /// The first process.
    var first: Process? { started.withLock { $0.first?.process } }

    func spawn(_ request: ProcessRequest, output: @escaping @Sendable ([UInt8]) -> Void) async throws -> any PodProcess
    {
        let process = Process()
        let isFirst = started.withLock { started in
            started.append((request, process))
            return started.count == 1
        }
        if !isFirst { process.end(.code(0)) }
        return process
    }
}

/// An API server and what a node's pods share, without a node: one pod is run by itself.
struct PodWorkerHarness: Sendable {
    /// The API, without detours.
    let client = KubeClient(exchange: APIServer())
    /// The time, which only the test moves.
    let time = ManualTime()
    /// Who starts the processes.
    let processes = PretendedSpawner()
    /// The addresses; there are two.
    let addresses: AddressPool
    /// Where the pods' folders are.
    let directory = NSTemporaryDirectory() + "modelfleet-worker-" + SystemRandom().uuid()
    private let probes: (any HTTPExchange)?
    private let detour: (@Sendable (any HTTPExchange) -> any HTTPExchange)?

    /// A harness whose workers reach the API through `detour`.
    init(
        probes: (any HTTPExchange)? = nil,
        detour: (@Sendable (any HTTPExchange) -> any HTTPExchange)? = nil
    ) throws {
        addresses = try AddressPool(range: "127.200.0.0/30")
        self.probes = probes
        self.detour = detour
    }

    /// A pod of one container, changed by `body`, as the API has it.
    func create(_ body: (inout KubeObject) -> Void = { _ in }) async throws -> KubeObject {
        var pod = TestCluster.pod("p", ["main": "exit"])
        pod["spec", "nodeName"] = "local"
        body(&pod)
        return try await client.create(.pods, pod)
    }

    /// Who runs a pod.
    func worker(_ pod: KubeObject) -> PodWorker {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let configuration = LocalClusterConfiguration(
            directory: directory,
            images: LocalImages([LocalImages.Entry(image: "sh", executable: "/bin/sh")]),
            time: time,
            probes: probes,
            processes: processes,
            logger: logger
        )
        let reached = detour.map { KubeClient(exchange: $0(client.exchange)) } ?? client
        return PodWorker(
            pod: pod,
            surroundings: PodSurroundings(
                client: reached,
                configuration: configuration,
                nodeName: "local",
                events: EventRecorder(client: client, component: "kubelet", time: time, logger: logger),
                logs: LogShelf(),
                addresses: addresses,
                prober: Prober(exchange: probes, processes: processes, time: time)
            )
        )
    }

    /// Runs a pod around `body`; it ends as one that is gone from the API does.
    func run(_ pod: KubeObject, _ body: (PodWorker) async throws -> Void) async throws {
        let worker = worker(pod)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await worker.run() }
            do { try await body(worker) } catch {
                group.cancelAll()
                throw error
            }
            worker.vanish()
            try await group.waitForAll()
        }
    }

    /// The pod as the API has it now.
    func pod() async throws -> KubeObject? {
        try await client.find(.pods, ObjectKey(namespace: "default", name: "p"))
    }
}
