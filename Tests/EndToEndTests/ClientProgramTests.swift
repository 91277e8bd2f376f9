// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension EndToEnd {
    @Suite("Programs that know nothing of ModelFleet", .serialized)
    struct ClientPrograms {
        /// The Python that has the packages; `nil`, with a warning, where they can't be installed. In CI that is a failure.
        private func python(_ folder: String) async throws -> String? {
            let own = ProcessInfo.processInfo.environment
            let result = try await ProgramRun.result(
                "/bin/sh",
                [Programs.project + "/scripts/setup-clients.sh"],
                folder: folder,
                environment: own,
                within: .seconds(300)
            )
            if result.status == 0, let path = result.output.split(separator: "\n").last { return String(path) }
            let message = "the Python packages of these tests can't be installed: \(result.output.suffix(1000))"
            if own["CI"] != nil { throw TestFailure(message) }
            Issue.record(Comment(rawValue: message), severity: .warning)
            return nil
        }

        /// Runs a program of the folder `Python` against a cluster of its own, and expects each of its steps to be passed.
        private func run(_ program: String, steps: Int) async throws {
            let folder = try TestFolder()
            guard let python = try await python(folder.path) else { return }
            try await LocalRun.run(["--image", "shell=/bin/sh"]) { local in
                let result = try await ProgramRun.result(
                    python,
                    ["-W", "ignore", "\(Programs.project)/Tests/EndToEndTests/Python/\(program)"],
                    folder: local.folder,
                    environment: ["KUBECONFIG": local.kubeconfig, "PYTHONDONTWRITEBYTECODE": "1"],
                    within: .seconds(120)
                )
                let passed = result.output.split(separator: "\n").filter { $0.hasPrefix("ok ") }
                #expect(result.status == 0 && passed.count == steps, "\(result.output.suffix(4000))")
            }
        }

        @Test(
            "the official Python client lists, watches, patches, creates from YAML, deletes, reads logs and defines kinds",
            .timeLimit(.minutes(5))
        )
        func officialClient() async throws { try await run("official_client.py", steps: 15) }

        @Test(
            "a kopf operator handles creation, changes and deletion, with timers, daemons, events and peers",
            .timeLimit(.minutes(5))
        )
        func kopf() async throws { try await run("kopf_trial.py", steps: 10) }
    }
}
