// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import Logging
import Telemetry

@testable import Controllers

extension ReconcilerHarness {
    /// The scaling loop over the same stores and the same memory; each decision of a test is one call.
    /// - Parameter pages: the metrics pages by address.
    func scalingLoop(pages: [String: String] = [:]) -> ScalingLoop {
        let exchange = ClosureExchange { request in
            guard let page = pages[request.head.authority ?? ""] else {
                return HTTPResponseMessage(status: .notFound, text: "")
            }
            return HTTPResponseMessage(status: .ok, text: page)
        }
        let board = ScrapeBoard(
            scraper: Scraper(exchange: exchange, time: time),
            time: time,
            random: SeededRandom(seed: 1)
        )
        let poller = PrometheusPoller(exchange: exchange, time: time, random: SeededRandom(seed: 1)) { _ in }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return ScalingLoop(
            stores: stores,
            state: reconciler.scaling,
            client: client,
            signals: ModelSignals(board: board, poller: poller),
            recorder: EventRecorder(client: client, component: "modelfleet", time: time, logger: logger),
            metrics: ScalingMetrics(registry: MetricsRegistry()),
            time: time,
            logger: logger,
            isOurs: { _ in true },
            isHeld: { _ in true },
            onNews: { _ in }
        )
    }

    /// Decides once, has all pods read twice, and decides again.
    func decide(pages: [String: String]) async throws {
        try await sync()
        let loop = scalingLoop(pages: pages)
        await loop.decide(key)
        let board = loop.signals.board
        let wanted = board.counts.scraped + 2 * UInt64(pages.count)
        await withTaskGroup { group in
            group.addTask { await board.run() }
            while board.counts.scraped < wanted, !Task.isCancelled {
                time.advance(by: .milliseconds(50))
                for _ in 0..<20 { await Task.yield() }
            }
            group.cancelAll()
        }
        await loop.decide(key)
    }

    /// A ready pod of a revision, which took `coldStart` seconds to get ready.
    func addReadyPod(_ name: String, revision: Int, address: String, coldStart: Int = 10) async throws {
        var pod = KubeObject(.pods, namespace: "default", name: name)
        pod.labels = [FleetAPI.modelLabel: "m", FleetAPI.revisionLabel: "\(revision)"]
        pod["spec"] = ["containers": [["name": "server", "image": "modelfleet/server:0.1.0"]]]
        try await client.create(.pods, pod)
        var status = OperatorHarness.ready(address)
        let ready = JSONValue.string((time.now() + .seconds(coldStart)).rfc3339)
        status["conditions"] = [["type": "Ready", "status": "True", "lastTransitionTime": ready]]
        try await client.patch(.pods, OperatorHarness.key(name), .merge(["status": status]), subresource: "status")
    }
}
