// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPServing
import Inference
import InferenceHTTP
import Logging
import ServiceLifecycle

/// Does nothing until a graceful shutdown; then turns readiness off and holds the other services back until the drain is over.
struct DrainService: Service {
    /// How often it looks.
    private static let interval = Duration.milliseconds(20)

    /// The model that drains.
    let model: ServedModel
    /// Knows what is open.
    let metrics: ServerMetrics
    /// Knows whose answer isn't sent.
    let statistics: HTTPServiceStatistics
    /// When it is over.
    let rule: DrainRule
    /// The clock.
    let time: any TimeSource
    /// The log.
    let logger: Logger

    /// Waits, drains, returns.
    func run() async throws {
        try await gracefulShutdown()
        let wasLoaded = model.backend != nil
        model.beginDraining()
        guard wasLoaded else { return }
        logger.info("draining", metadata: ["open": "\(metrics.openRequests)"])
        let start = time.now()
        var verdict = self.verdict(since: start, now: start)
        while verdict == .wait {
            try await time.sleep(for: Self.interval)
            verdict = self.verdict(since: start, now: time.now())
        }
        let seconds = (time.now() - start) / .seconds(1)
        logger.info("drained", metadata: ["open": "\(metrics.openRequests)", "seconds": "\(seconds)"])
    }

    private func verdict(since start: WallTime, now: WallTime) -> DrainRule.Verdict {
        metrics.drain(rule, since: start, now: now, unsent: statistics.openRequests)
    }
}
