// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeModel
import Logging
import Rollouts
import Synchronization
import Telemetry
import Testing

@testable import Controllers

/// The checks of a rollout that is reconciled.
extension CanaryReconcileTests {
    /// What a judge needs, with checks and pages that `exchange` answers.
    static func analysis(_ harness: ReconcilerHarness, _ exchange: any HTTPExchange) -> RolloutAnalysis {
        let random = SeededRandom(seed: 1)
        let scraper = Scraper(exchange: exchange, time: harness.time)
        return RolloutAnalysis(
            feed: AnalysisFeed(board: ScrapeBoard(scraper: scraper, time: harness.time, random: random)),
            checks: CheckPoller(exchange: exchange, time: harness.time) { _ in },
            notifier: Notifier(
                client: harness.client,
                exchange: exchange,
                time: harness.time,
                random: random,
                logger: Logger(label: "test")
            ) { _ in }
        )
    }

    /// How often a poller asks in `duration`.
    private static func asked(
        _ analysis: RolloutAnalysis,
        _ harness: ReconcilerHarness,
        _ count: @escaping @Sendable () -> Int,
        for duration: Duration
    ) async -> Int {
        let (before, start) = (count(), harness.time.now())
        await withTaskGroup { group in
            group.addTask { try? await analysis.checks.run() }
            while harness.time.now() - start < duration {
                harness.time.advance(by: .milliseconds(50))
                for _ in 0..<20 { await Task.yield() }
            }
            group.cancelAll()
        }
        return count() - before
    }

    @Test("a check is asked as long as there is something to ask about", arguments: ["abort", "supersede"])
    func checksEnd(way: String) async throws {
        let count = Mutex(0)
        let exchange = ClosureExchange { _ in
            count.withLock { $0 += 1 }
            return HTTPResponseMessage(status: .ok, text: "")
        }
        var rollout = Self.steps
        let check: JSONValue = ["name": "golden", "webhook": ["url": "http://h/"]]
        rollout["analysis"] = ["checks": [check], "intervalSeconds": 5]
        var harness = try await Self.harness(rollout)
        let analysis = Self.analysis(harness, exchange)
        harness.reconciler.analysis = analysis
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        let asked = await Self.asked(analysis, harness, { count.withLock { $0 } }, for: .seconds(11))
        #expect((1...4).contains(asked))
        if way == "abort" {
            try await Self.ask(harness, "abort 2/1 a")
        } else {
            try await harness.patchModel(["model": ["version": "3"]])
        }
        // The route that it is given may be written just before the Service is.
        _ = try? await harness.reconcile()
        let later = await Self.asked(analysis, harness, { count.withLock { $0 } }, for: .seconds(40))
        #expect(later == 0)
    }
}
