// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Controllers
import HTTPMessages
import HTTPTypes
import Telemetry

/// `/healthz`, `/readyz`, `/activity` and `/metrics` of the operator.
struct HealthPages: HTTPExchange {
    private let metrics: MetricsRegistry
    private let isReady: @Sendable () -> Bool
    private let activity: @Sendable () -> OperatorActivity

    /// Pages over a registry; `isReady` says whether `/readyz` answers 200.
    init(
        metrics: MetricsRegistry,
        isReady: @escaping @Sendable () -> Bool,
        activity: @escaping @Sendable () -> OperatorActivity
    ) {
        self.metrics = metrics
        self.isReady = isReady
        self.activity = activity
    }

    /// Answers GET; anything else is 404.
    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        switch request.path {
        case "/healthz": return HTTPResponseMessage(status: .ok, text: "ok\n")
        case "/readyz":
            return isReady()
                ? HTTPResponseMessage(status: .ok, text: "ok\n")
                : HTTPResponseMessage(status: .serviceUnavailable, text: "waiting for the first lists\n")
        case "/activity": return exposition(activity().exposition)
        case "/metrics": return exposition(activity().exposition + metrics.render())
        default: return HTTPResponseMessage(status: .notFound, text: "try /healthz, /readyz, /activity or /metrics\n")
        }
    }

    private func exposition(_ text: String) -> HTTPResponseMessage {
        HTTPResponseMessage(
            status: .ok,
            contentType: "text/plain; version=0.0.4; charset=utf-8",
            bytes: Array(text.utf8)
        )
    }
}
