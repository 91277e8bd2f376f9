// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

/// Plays what real `kubectl` commands asked of a real API server against this one, and compares the answers.
@Suite("Contract: recorded kubectl commands")
struct ContractRecordedCommandTests {
    @Test(
        "every request of a command is answered as the real server did, but for the accepted differences",
        .enabled(if: RecordedCommand.isPresent, "skipped: ../shared/kubernetes/recorded is absent"),
        .timeLimit(.minutes(3)),
        arguments: RecordedCommand.all
    )
    func replay(_ command: RecordedCommand) async throws {
        let found = try await CommandRunner(command).differences()
        let accepted = AcceptedDifferences.commands.filter { $0.scenario == command.name || $0.scenario == "*" }
        let unexplained = found.filter { difference in !accepted.contains { $0.covers(difference) } }
        #expect(unexplained.isEmpty, "\(unexplained.joined(separator: "\n"))")
        for entry in accepted where entry.scenario != "*" {
            #expect(found.contains(where: entry.covers), "no longer differs: \(entry.scenario) \(entry.path)")
        }
    }
}
