// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

/// Plays what a real API server was asked against this one, and compares the answers.
@Suite("Contract: recorded answers of a real API server")
struct ContractRecordedScenarioTests {
    @Test(
        "every scenario is answered as the real server did, but for the accepted differences",
        .enabled(if: RecordedScenario.isPresent, "skipped: ../shared/kubernetes/recorded is absent"),
        .timeLimit(.minutes(3)),
        arguments: RecordedScenario.all
    )
    func replay(_ scenario: RecordedScenario) async throws {
        let found = try await ScenarioRunner(scenario).differences()
        let accepted = AcceptedDifferences.all.filter { $0.scenario == scenario.name || $0.scenario == "*" }
        let unexplained = found.filter { difference in !accepted.contains { $0.covers(difference) } }
        #expect(unexplained.isEmpty, "\(unexplained.joined(separator: "\n"))")
        for entry in accepted where entry.scenario != "*" {
            #expect(found.contains(where: entry.covers), "no longer differs: \(entry.scenario) \(entry.path)")
        }
    }
}
