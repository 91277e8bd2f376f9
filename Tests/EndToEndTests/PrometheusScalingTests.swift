// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    /// With the server of Debian's package `prometheus` (or any `prometheus` on the path), on a free port and in the test's
    /// folder.
    @Suite(
        "Scaling by a real Prometheus",
        .serialized,
        .enabled(if: Programs.prometheus != nil, "skipped: there is no program prometheus here")
    )
    struct PrometheusScaling {
        /// A Prometheus server that scrapes the pods that a file names.
        private struct Server {
            let run: ProgramRun

            /// Starts one in `folder`; what it knew before is still there.
            static func start(in folder: String, port: Int, _ local: LocalRun) async throws -> Server {
                let program = try #require(Programs.prometheus)
                let configuration = """
                    global: {scrape_interval: 1s, scrape_timeout: 1s}
                    scrape_configs:
                    - job_name: pods
                      file_sd_configs: [{files: ["\(folder)/pods.json"], refresh_interval: 1s}]
                    """
                try configuration.write(toFile: "\(folder)/prometheus.yml", atomically: true, encoding: .utf8)
                let run = try ProgramRun(
                    program,
                    [
                        "--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/tsdb",
                        "--web.listen-address=127.0.0.1:\(port)", "--log.level=warn",
                    ],
                    folder: folder
                )
                let head = HTTPRequest(method: .get, scheme: "http", authority: "127.0.0.1:\(port)", path: "/-/ready")
                do {
                    _ = try await eventually(within: .seconds(30), "Prometheus is ready", seen: { run.output }) {
                        guard run.isRunning else { throw TestFailure("prometheus ended: \(run.output)") }
                        let request = HTTPRequestMessage(head: head, timeout: .seconds(2))
                        return (try? await local.curl.exchange(request))?.head.status == .ok ? true : nil
                    }
                } catch {
                    await run.stop()
                    throw error
                }
                return Server(run: run)
            }

            /// Runs `body`, then stops the server, however it ends.
            func running(_ body: () async throws -> Void) async throws {
                do {
                    try await body()
                } catch {
                    await run.stop()
                    throw error
                }
                await run.stop()
            }
        }

        /// Tells Prometheus of a model's pods.
        private static func announce(_ pods: [KubeObject], in folder: String) throws {
            let targets = pods.map { pod -> JSONValue in
                let address = pod["status", "podIP"]?.string ?? ""
                return ["targets": [.string("\(address):8080")], "labels": ["pod": .string(pod.name), "model": "m"]]
            }
            try Data(JSONValue.array(targets).encoded()).write(
                to: URL(fileURLWithPath: "\(folder)/pods.json"),
                options: .atomic
            )
        }

        private static func page(_ queue: Int) -> String {
            "modelfleet_queue_length \(queue)\nmodelfleet_requests_in_flight 1\n"
        }

        private static func model(port: Int) -> KubeObject {
            Samples.fixtureModel(
                "m",
                scaling: [
                    "minReplicas": 1, "maxReplicas": 6, "targets": [["signal": "QueueLength", "value": 4]],
                    "behavior": ["scaleDown": ["stabilizationWindowSeconds": 0]], "metricsSource": "Prometheus",
                    "prometheus": [
                        "address": .string("http://127.0.0.1:\(port)"), "lookbackSeconds": 5,
                        "queries": ["queueLength": #"modelfleet_queue_length{model="${model}"}"#],
                    ],
                ]
            )
        }

        @Test("up by what it says, held while it is away, down when it is back", .timeLimit(.minutes(3)))
        func follows() async throws {
            let fixture = try Programs.fixtureServer()
            try await LocalRun.run(["--operator", "--image", "fixture/server=\(fixture)"]) { local in
                try Self.announce([], in: local.folder)
                let port = Int.random(in: 30_000...32_000)
                let first = try await Server.start(in: local.folder, port: port, local)
                try await first.running {
                    try await local.client.apply(Samples.runtimes, Samples.fixtureRuntime, force: true)
                    try await local.client.apply(Samples.models, Self.model(port: port))
                    try await local.model("m", within: .seconds(60)) { $0.isTrue }
                    let one = try await local.pods(of: "m")
                    try await local.tell(try #require(one.first), "/page", Self.page(12))
                    try Self.announce(one, in: local.folder)
                    try await local.settles("m", at: 3...3)
                    let all = try await local.pods(of: "m")
                    for pod in all { try await local.tell(pod, "/page", Self.page(3)) }
                    try Self.announce(all, in: local.folder)
                    try await local.decides("m", "queue 3 under target 4 on 3 replicas")
                    #expect(try await local.replicas(of: "m") == 3)
                }
                // The last answer counts for half a minute.
                _ = try await eventually(within: .seconds(45), "scaling isn't active") { () -> Bool? in
                    let condition = ConditionSet(try await local.model("m"))["ScalingActive"]
                    return condition?.status == .isFalse ? true : nil
                }
                for pod in try await local.pods(of: "m") { try await local.tell(pod, "/page", Self.page(1)) }
                #expect(try await local.replicas(of: "m") == 3)
                let second = try await Server.start(in: local.folder, port: port, local)
                try await second.running { try await local.settles("m", at: 1...1) }
            }
        }
    }
}
