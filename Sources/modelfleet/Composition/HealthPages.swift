// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import Telemetry

/// `/healthz`, `/readyz` and `/metrics` of the operator.
struct HealthPages: HTTPExchange {
    private let metrics: MetricsRegistry
    private let isReady: @Sendable () -> Bool

    /// Pages over a registry; `isReady` says whether `/readyz` answers 200.
    init(metrics: MetricsRegistry, isReady: @escaping @Sendable () -> Bool) {
        self.metrics = metrics
        self.isReady = isReady
    }

    /// Answers GET; anything else is 404.
    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        switch request.path {
        case "/healthz": return HTTPResponseMessage(status: .ok, text: "ok\n")
        case "/readyz":
            return isReady()
                ? HTTPResponseMessage(status: .ok, text: "ok\n")
                : HTTPResponseMessage(status: .serviceUnavailable, text: "waiting for the first lists\n")
        case "/metrics":
            return HTTPResponseMessage(
                status: .ok,
                contentType: "text/plain; version=0.0.4; charset=utf-8",
                bytes: Array(metrics.render().utf8)
            )
        default: return HTTPResponseMessage(status: .notFound, text: "try /healthz, /readyz or /metrics\n")
        }
    }
}
