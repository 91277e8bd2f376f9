// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Inference
import Logging
import ServiceLifecycle

/// Does nothing until a graceful shutdown; then turns readiness off and holds the other services back.
///
/// They go on for `least`, and as long as requests are in flight, but not longer than `most`.
struct DrainService: Service {
    /// The model that drains.
    let model: ServedModel
    /// How long to keep serving at least.
    let least: Duration
    /// How long to wait at most.
    let most: Duration
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
        logger.info("draining", metadata: ["in-flight": "\(model.inFlight)"])
        let start = time.now()
        try await time.sleep(for: least)
        while model.inFlight > 0, time.now() - start < most { try await time.sleep(for: .milliseconds(20)) }
        logger.info("drained", metadata: ["in-flight": "\(model.inFlight)"])
    }
}
