// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPMessages
import HTTPServing
import HTTPTypes
import Logging
import ServiceLifecycle
import Synchronization
import UnixSignals

/// A model server that shows whatever a test tells it to, for the end-to-end tests; it runs as a pod.
///
/// | request | effect |
/// | --- | --- |
/// | `GET /ready` | 200 |
/// | `GET /metrics` | the page; nothing for an hour after `POST /hang`; 404 after `POST /vanish` |
/// | `POST /page` | the body is the page from now on |
/// | `GET /reads` | how often the page was read since it was set, in decimal |
/// | `POST /crash` | the process ends with 3, without an answer |
/// | anything else | 200 |
@main
enum FixtureServer {
    private enum Page: Sendable {
        case text(String)
        case hangs
        case vanished
    }

    static func main() async throws {
        let page = Mutex(Page.text("modelfleet_queue_length 0\nmodelfleet_requests_in_flight 0\n"))
        let reads = Mutex(0)
        let exchange = ClosureExchange { request in
            switch (request.head.method, String(request.path)) {
            case (.get, "/metrics"):
                switch page.withLock({ $0 }) {
                case .text(let text):
                    reads.withLock { $0 += 1 }
                    return HTTPResponseMessage(status: .ok, text: text)
                case .vanished: return HTTPResponseMessage(status: .notFound, text: "no such page\n")
                case .hangs:
                    try await Task.sleep(for: .seconds(3600))
                    return HTTPResponseMessage(status: .ok, text: "")
                }
            case (.post, "/page"):
                let text = String(decoding: try await request.body.collect(upTo: 1 << 20), as: UTF8.self)
                page.withLock { $0 = .text(text) }
                reads.withLock { $0 = 0 }
            case (.get, "/reads"): return HTTPResponseMessage(status: .ok, text: "\(reads.withLock { $0 })")
            case (.post, "/hang"): page.withLock { $0 = .hangs }
            case (.post, "/vanish"): page.withLock { $0 = .vanished }
            case (.post, "/crash"): exit(3)
            default: break
            }
            return HTTPResponseMessage(status: .ok, text: "ok\n")
        }
        var logger = Logger(label: "fixture")
        logger.logLevel = .critical
        let service = HTTPService(
            exchange: exchange,
            host: ProcessInfo.processInfo.environment["POD_IP"] ?? "127.0.0.1",
            port: 8080,
            limits: HTTPServiceLimits(drain: .seconds(1)),
            logger: logger
        )
        try await ServiceGroup(services: [service], gracefulShutdownSignals: [.sigterm], logger: logger).run()
    }
}
