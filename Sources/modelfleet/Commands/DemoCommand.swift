// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation

/// `modelfleet demo`
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Shows the whole loop: a local cluster, a model, load, replicas that rise and fall.",
        discussion: "Everything it starts ends with it, however it ends, and its files are removed."
    )

    @Option(help: "The model to deploy.")
    var model = "manifests/examples/iris.yaml"

    @Option(help: "The model's file; it takes the place of the uri in the ModelDeployment.")
    var modelFile = "manifests/examples/models/iris.onnx"

    @Option(help: "Requests per second at the peak.")
    var rate: Double = 300

    @Option(help: "How long the load lasts, in seconds.")
    var loadSeconds: Double = 45

    @Flag(help: "Leave everything running afterwards, until Ctrl-C.")
    var hold = false

    mutating func validate() throws {
        guard rate > 0, rate <= 10_000 else { throw ValidationError("--rate must be above 0 and at most 10000") }
        guard loadSeconds >= 5, loadSeconds <= 3600 else { throw ValidationError("--load-seconds must be 5 to 3600") }
    }

    mutating func run() async throws {
        let run = DemoRun(
            plan: DemoPlan(
                model: model,
                modelFile: modelFile,
                rate: rate,
                loadSeconds: loadSeconds,
                holds: hold
            )
        )
        let task = Task { try await run.run() }
        let signals = SignalTrap([SIGINT, SIGTERM]) { task.cancel() }
        defer { signals.end() }
        do {
            try await task.value
        } catch is CancellationError {
            throw ExitCode(130)
        }
    }
}
