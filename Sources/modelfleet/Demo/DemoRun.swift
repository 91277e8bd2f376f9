// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Controllers
import CurlHTTP
import FleetAPI
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import LoadGeneration

/// The demo, step by step.
struct DemoRun: Sendable {
    let plan: DemoPlan

    /// Runs all steps; stops and removes everything at the end, whatever the end is.
    func run() async throws {
        let workspace = try DemoWorkspace()
        var children: [ChildProcess] = []
        var problem: (any Error)?
        do {
            try await perform(workspace, &children)
        } catch {
            problem = error
        }
        for child in children.reversed() { await child.stop() }
        if let problem, !(problem is CancellationError), !Task.isCancelled {
            for child in children where !child.lastWords.isEmpty {
                FileHandle.standardError.write(Data("--- \(child.log)\n\(child.lastWords)\n".utf8))
            }
        }
        workspace.remove()
        try Task.checkCancellation()
        if let problem { throw problem }
    }

    private func perform(_ workspace: DemoWorkspace, _ children: inout [ChildProcess]) async throws {
        var board = ProgressBoard()
        let model = try workspace.model(plan)

        board.begin("starting the local cluster")
        let cluster = try workspace.start("local", ["local", "--kubeconfig", workspace.kubeconfig])
        children.append(cluster)
        try await wait("the local cluster", for: cluster) {
            FileManager.default.fileExists(atPath: workspace.kubeconfig)
        }
        let client = try workspace.client()
        board.finish("local cluster at \(client.baseURL), process \(cluster.id)")

        board.begin("installing the custom resources")
        var by = try await workspace.apply(FleetAPI.customResourceDefinitions, name: "crds", client: client)
        try await Installation.install(into: client)
        let manager = try workspace.start("operator", ["operator", "--kubeconfig", workspace.kubeconfig])
        children.append(manager)
        board.finish("custom resources applied with \(by); operator is process \(manager.id)")

        board.begin("deploying \(model.name)")
        let started = ContinuousClock.now
        by = try await workspace.apply([model], name: "model", client: client)
        let address = try await waitUntilServing(model.key, client, &board, children)
        board.finish(
            "\(plan.model) applied with \(by); serving after \((ContinuousClock.now - started).milliseconds)"
        )

        let prediction = try await DemoPrediction.ask(address, model: model.name)
        board.finish("prediction for \(DemoPrediction.rowText): \(prediction)")

        let (summary, peak) = try await load(address, model, client, &board)
        board.finish("load: \(summary.count) requests, up to \(peak) replicas")

        board.begin("waiting for the replicas to fall")
        let calm = ContinuousClock.now
        try await waitForReplicas(1, model.key, client, &board)
        board.finish("back to 1 replica \(Int((ContinuousClock.now - calm).inSeconds)) s after the load")

        printSummary(summary, peak: peak)
        let decided = try await client.get(.modelDeployments, model.key)
        print("\nWhy (`modelfleet explain \(model.name)`):\n" + ScalingExplanation(decided).text)
        if plan.holds { try await hold(workspace, model, address) }
        guard summary.failed == 0 else { throw DemoError("\(summary.failed) requests failed: \(summary.errors)") }
        guard peak >= DemoPlan.expectedPeak else {
            throw DemoError("the load brought up \(peak) replicas, fewer than \(DemoPlan.expectedPeak)")
        }
    }

    /// Waits in small steps for something that a child process does; fails when the child ends first.
    private func wait(_ what: String, for child: ChildProcess, until isDone: () -> Bool) async throws {
        let deadline = ContinuousClock.now.advanced(by: DemoPlan.stepLimit)
        while !isDone() {
            guard child.isRunning else { throw DemoError("\(what) ended at once") }
            guard ContinuousClock.now < deadline else { throw DemoError("\(what) took too long") }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private func waitUntilServing(
        _ key: ObjectKey,
        _ client: KubeClient,
        _ board: inout ProgressBoard,
        _ children: [ChildProcess]
    ) async throws -> String {
        let deadline = ContinuousClock.now.advanced(by: DemoPlan.stepLimit)
        var last = ""
        while true {
            let state = try await DemoState.read(key, client)
            if state.isReady, let address = state.serviceAddress,
                let url = await DemoPrediction.reachable(address)
            {
                return url
            }
            if state.explanation != last { board.note(state.explanation) }
            last = state.explanation
            board.update("deploying \(key.name): \(state.explanation)", details: state.replicaLines)
            for child in children where !child.isRunning { throw DemoError("a process ended: \(child.log)") }
            guard ContinuousClock.now < deadline else {
                throw DemoError(
                    "\(key.name) isn't serving after \(DemoPlan.stepLimit.inSeconds) s: \(state.explanation)"
                )
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private func load(
        _ address: String,
        _ model: KubeObject,
        _ client: KubeClient,
        _ board: inout ProgressBoard
    ) async throws -> (LatencySummary, Int) {
        let ramp = min(10, plan.loadSeconds / 3)
        let stages: [LoadPlan.Stage] = [
            .ramp(from: 5, to: plan.rate, for: .seconds(ramp)),
            .steady(plan.rate, for: .seconds(plan.loadSeconds - ramp)),
        ]
        let request = try DemoPrediction.request(address, model: model.name)
        let what = "load of \(Int(plan.rate)) requests a second"
        board.begin(what)
        let progress = LoadInProgress()
        async let running = progress.run(LoadPlan(stages: stages), request)
        var peak = 0
        var replicas = 0
        while !progress.isOver {
            let state = try await DemoState.read(model.key, client)
            peak = max(peak, state.readyReplicas)
            board.update("\(what): \(progress.text)", details: state.replicaLines)
            if state.replicas != replicas {
                let reason = state.reason.isEmpty ? "" : ": \(state.reason)"
                board.note("\(state.replicas) wanted, \(state.readyReplicas) ready\(reason)")
            }
            replicas = state.replicas
            try await Task.sleep(for: .milliseconds(500))
        }
        return (await running, peak)
    }

    private func waitForReplicas(
        _ count: Int,
        _ key: ObjectKey,
        _ client: KubeClient,
        _ board: inout ProgressBoard
    ) async throws {
        let deadline = ContinuousClock.now.advanced(by: DemoPlan.stepLimit)
        var last: Int?
        while true {
            let state = try await DemoState.read(key, client)
            if let last, state.replicas != last {
                board.note("\(state.replicas < last ? "down" : "up") to \(state.replicas): \(state.reason)")
            }
            if state.replicas == count, state.pods == count { return }
            last = state.replicas
            board.update("replicas fall: \(state.reason)", details: state.replicaLines)
            guard ContinuousClock.now < deadline else {
                throw DemoError(
                    "still \(state.pods) pods \(DemoPlan.stepLimit.inSeconds) s after the load: \(state.reason)"
                )
            }
            try await Task.sleep(for: .milliseconds(300))
        }
    }

    private func printSummary(_ summary: LatencySummary, peak: Int) {
        print("")
        print("peak replicas    \(peak)")
        print("requests served  \(summary.ok)")
        print("errors           \(summary.failed)")
        let latencies = [("p50", summary.p50), ("p95", summary.p95), ("p99", summary.p99)]
        print("latency          " + latencies.map { "\($0) \($1?.milliseconds ?? "–")" }.joined(separator: ", "))
    }

    private func hold(_ workspace: DemoWorkspace, _ model: KubeObject, _ address: String) async throws {
        print(
            """

            It goes on running until Ctrl-C. To look around:
              export KUBECONFIG=\(workspace.kubeconfig)
              kubectl get modeldeployments --watch
              kubectl describe modeldeployment \(model.name)
              kubectl get pods,services,endpointslices
              kubectl logs deployment/\(model.name)-r1
              kubectl explain modeldeployment.spec.scaling
              curl \(address)/v2/models/\(model.name)
            """
        )
        fflush(nil)
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}
