// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import CurlHTTP
import Foundation
import HTTPServing
import Inference
import InferenceHTTP
import Logging
import ServiceLifecycle

/// The inference server: one model, from a file or the web, over HTTP.
@main
struct ModelFleetServer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "modelfleet-server",
        abstract: "Serves one ONNX model over HTTP.",
        discussion: """
            Predictions: POST /v2/models/NAME/infer (Open Inference Protocol) and POST /v1/models/NAME:predict \
            (TensorFlow Serving's format). Probes: /v2/health/live and /v2/health/ready. Metrics: /metrics.

            ONNX Runtime's library is taken from MODELFLEET_ONNXRUNTIME, the system, or a .venv made by \
            scripts/setup-python.sh.
            """,
        version: "0.1.0"
    )

    @Option(help: "The model's name in URLs.")
    var modelName: String

    @Option(help: "Where the model file is: file:///path or https://host/path.")
    var modelUri: String

    @Option(help: ArgumentHelp("The file's SHA-256; another file is refused.", valueName: "hex"))
    var modelSha256: String?

    @Option(help: "The model's version in URLs.")
    var modelVersion = "1"

    @Option(help: "The folder for a downloaded model; by default a temporary one.")
    var modelDirectory: String?

    @Option(help: "The largest model file in MiB.")
    var maxModelMebibytes = 16_384

    @Option(help: "The address to listen on; by default MODELFLEET_HOST, or all (0.0.0.0).")
    var host: String?

    @Option(help: "The port to listen on; 0 for any that is free.")
    var port = 8080

    @Option(help: "The most rows that run together; 1 turns batching off.")
    var maxBatchSize = EnvironmentDefault.integer("MODELFLEET_MAX_BATCH_SIZE", or: 32)

    @Option(help: "How long the first request of a batch waits for others; 0 batches only what is waiting anyway.")
    var maxBatchWaitMilliseconds = EnvironmentDefault.integer("MODELFLEET_MAX_BATCH_WAIT_MILLISECONDS", or: 0)

    @Option(help: "The most requests that wait; one more is answered with 429 at once.")
    var maxQueueLength = EnvironmentDefault.integer("MODELFLEET_MAX_QUEUE_LENGTH", or: 256)

    @Option(help: "The most time for one request; then it is answered with 504.")
    var requestTimeoutMilliseconds = 30_000

    @Option(help: "The largest request body in MiB.")
    var maxRequestMebibytes = 64

    @Option(
        help: ArgumentHelp(
            "The most MiB of request bodies that are read and decoded at one time; one more is answered with 429.",
            discussion: "While a JSON body is decoded, each of its bytes takes up to 50 of memory."
        )
    )
    var maxPendingMebibytes = 64

    @Option(help: "The number of batches that run at the same time.")
    var workers = 1

    @Option(help: "The number of threads that one batch may use inside ONNX Runtime.")
    var threads = 1

    @Option(help: "How long to keep serving after SIGTERM, so that all clients learn that the server is going.")
    var drainSeconds = EnvironmentDefault.integer("MODELFLEET_DRAIN_SECONDS", or: 2)

    @Option(
        help: ArgumentHelp(
            "How long at most to go on after SIGTERM while requests are open or still come.",
            discussion: """
                Open requests that take longer than ten times the 99th percentile so far (10 s at least) aren't waited for \
                once no new one comes. The pod's terminationGracePeriodSeconds must be five seconds longer than this.
                """
        )
    )
    var drainLimitSeconds = EnvironmentDefault.integer("MODELFLEET_DRAIN_LIMIT_SECONDS", or: 25)

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"

    mutating func validate() throws {
        let path = modelName.split(separator: "/", omittingEmptySubsequences: false)
        guard !modelName.isEmpty, path.count == 1, !modelName.contains(":") else {
            throw ValidationError("--model-name must not be empty nor contain / or :")
        }
        guard (0...65_535).contains(port) else { throw ValidationError("--port must be from 0 to 65535") }
        guard Logger.Level(rawValue: logLevel) != nil else {
            let known = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("--log-level must be one of \(known)")
        }
        let limits: [(flag: String, value: Int, least: Int, most: Int)] = [
            ("--max-batch-size (or MODELFLEET_MAX_BATCH_SIZE)", maxBatchSize, 1, 1 << 20),
            (
                "--max-batch-wait-milliseconds (or MODELFLEET_MAX_BATCH_WAIT_MILLISECONDS)", maxBatchWaitMilliseconds,
                0, 60_000
            ),
            ("--max-queue-length (or MODELFLEET_MAX_QUEUE_LENGTH)", maxQueueLength, 1, 1 << 20),
            ("--request-timeout-milliseconds", requestTimeoutMilliseconds, 1, 86_400_000),
            ("--max-request-mebibytes", maxRequestMebibytes, 1, 4096),
            ("--max-pending-mebibytes", maxPendingMebibytes, 1, 1 << 20),
            ("--max-model-mebibytes", maxModelMebibytes, 1, 1 << 24),
            ("--workers", workers, 1, 256), ("--threads", threads, 1, 1024),
            ("--drain-seconds", drainSeconds, 0, 86_400), ("--drain-limit-seconds", drainLimitSeconds, 0, 86_400),
        ]
        for limit in limits where !(limit.least...limit.most).contains(limit.value) {
            throw ValidationError("\(limit.flag) must be from \(limit.least) to \(limit.most)")
        }
    }

    mutating func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        do {
            try await composition(environment: environment).run()
        } catch {
            TerminationMessage.write("modelfleet-server: \(error)", environment: environment)
            throw ExitCode(1)
        }
    }
}
