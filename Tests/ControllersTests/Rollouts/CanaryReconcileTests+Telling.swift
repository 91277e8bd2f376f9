// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeServer
import KubeTesting
import Synchronization
import Telemetry
import Testing

/// What is told of a rollout whose writes fail.
extension CanaryReconcileTests {
    /// An API server that can't be reached for some writes.
    private final class Outage: HTTPExchange {
        private let inner = APIServer()
        private let lost = Mutex<String?>(nil)

        /// Loses what is written to this path; `nil`: nothing.
        func lose(_ path: String?) { lost.withLock { $0 = path } }

        func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
            let isLost = lost.withLock { lost in lost.map { request.path.contains($0) } ?? false }
            if isLost, request.head.method != .get { throw SimLink.ConnectionBroken(description: "away") }
            return await inner.exchange(request)
        }
    }

    @Test("what was decided and written is told and counted once, although what follows from it can't be done yet")
    func tells() async throws {
        let outage = Outage()
        let harness = try await Self.harness(Self.steps, exchange: outage)
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        #expect(try await Self.weight(harness) == 25)
        try await Self.ask(harness, "abort 2/1 a")
        outage.lose("/services/m")
        await #expect(throws: (any Error).self) { try await harness.reconcile() }
        #expect(try await Self.weight(harness) == 25)
        #expect(try await harness.get(.modelDeployments, "m")["status", "rollout", "phase"] == "RollingBack")
        outage.lose(nil)
        try await Self.settle(harness)
        #expect(try await Self.weight(harness) == nil)
        let told = try await harness.events("RollingBack")
        #expect(told.count == 1 && told.first?["type"] == "Warning")

        harness.time.advance(by: .seconds(6))
        outage.lose("/deployments/m-r2")
        await #expect(throws: (any Error).self) { try await harness.reconcile() }
        #expect(try await harness.get(.modelDeployments, "m")["status", "rollout", "phase"] == "RolledBack")
        outage.lose(nil)
        try await Self.settle(harness)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 0)
        #expect(try await harness.events("Aborted").count == 1)
        let counted = #"modelfleet_rollouts_ended_total{outcome="Aborted"} 1"#
        #expect(harness.metrics.render().contains(counted), "\(harness.metrics.render())")
    }
}
