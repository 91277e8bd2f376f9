// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import HTTPMessages
import HTTPServing
import HTTPTypes
import Logging
import ServiceLifecycle
import Synchronization
import UnixSignals

/// A model server whose quality is in its model's address, for tests of rollouts: `file:///good?milliseconds=10&errors=0.05`.
///
/// It answers everything after a wait of half to one and a half times `milliseconds` (uniform, mean as given), and a share `errors` of
/// the requests with 500, each drawn on its own; of the others a share `cats` (a half without it) counts as the class `cat`, the rest as `dog`.
/// `/ready` and `/metrics` are as an inference server's. The answer's field `x-model` is the address's path.
@main
struct ModelServer {
    static func main() async throws {
        let arguments = CommandLine.arguments
        func value(_ flag: String) -> String? {
            arguments.firstIndex(of: flag).flatMap { arguments.indices.contains($0 + 1) ? arguments[$0 + 1] : nil }
        }
        let address = URLComponents(string: value("--model-uri") ?? "")
        func number(_ name: String, default other: Double = 0) -> Double {
            address?.queryItems?.first { $0.name == name }?.value.flatMap(Double.init) ?? other
        }
        var logger = Logger(label: "test-model-server")
        logger.logLevel = .error
        let model = Model(
            name: address?.path ?? "",
            milliseconds: max(0, number("milliseconds")),
            errors: min(max(0, number("errors")), 1),
            cats: min(max(0, number("cats", default: 0.5)), 1)
        )
        let server = HTTPService(
            exchange: ClosureExchange { request in try await model.answer(request) },
            host: ProcessInfo.processInfo.environment["MODELFLEET_HOST"] ?? "127.0.0.1",
            port: value("--port").flatMap(Int.init) ?? 8080,
            logger: logger
        )
        // The last one is asked to end first, and the others once it has.
        let group = ServiceGroup(
            services: [server, Leaving(model: model)],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
    }
}

/// Turns readiness off at a shutdown, and serves on for two seconds, so that all clients learn that the server is going.
private struct Leaving: Service {
    let model: Model

    func run() async throws {
        try await gracefulShutdown()
        model.leave()
        try await Task.sleep(for: .seconds(2))
    }
}

/// What is answered, and the counts of it.
private final class Model: Sendable {
    private struct State {
        var isReady = true
        var good = 0
        var bad = 0
        var cats = 0
        var inFlight = 0
        var seconds = 0.0
        var slower = Array(repeating: 0, count: Model.bounds.count)
    }

    /// The histogram's bounds in seconds.
    static let bounds = [
        0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.012, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.07, 0.1, 0.2,
        0.5, 1, 5,
    ]

    private let name: String
    private let milliseconds: Double
    private let errors: Double
    private let cats: Double
    private let random = SystemRandom()
    private let state = Mutex(State())

    init(name: String, milliseconds: Double, errors: Double, cats: Double) {
        self.name = name
        self.milliseconds = milliseconds
        self.errors = errors
        self.cats = cats
    }

    func leave() { state.withLock { $0.isReady = false } }

    func answer(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        switch request.path {
        case "/ready":
            return HTTPResponseMessage(status: state.withLock { $0.isReady } ? .ok : .serviceUnavailable, text: "")
        case "/metrics": return HTTPResponseMessage(status: .ok, text: page)
        default: break
        }
        _ = try await request.body.collect(upTo: 1 << 20)
        state.withLock { $0.inFlight += 1 }
        let start = ContinuousClock.now
        try? await Task.sleep(for: .milliseconds(milliseconds * (0.5 + random.unit())))
        let took = start.duration(to: .now) / .seconds(1)
        let isBad = random.unit() < errors
        let isCat = random.unit() < cats
        state.withLock { state in
            state.inFlight -= 1
            if isBad { state.bad += 1 } else { state.good += 1 }
            if !isBad, isCat { state.cats += 1 }
            state.seconds += took
            for (index, bound) in Self.bounds.enumerated() where took <= bound { state.slower[index] += 1 }
        }
        var response = HTTPResponseMessage(status: isBad ? .internalServerError : .ok, text: name)
        if let field = HTTPField.Name("x-model") { response.head.headerFields[field] = name }
        return response
    }

    private var page: String {
        let state = state.withLock { $0 }
        var text = """
            # TYPE requests_total counter
            requests_total{code="200"} \(state.good)
            requests_total{code="500"} \(state.bad)
            # TYPE outputs_total counter
            outputs_total{class="cat"} \(state.cats)
            outputs_total{class="dog"} \(state.good - state.cats)
            # TYPE requests_in_flight gauge
            requests_in_flight \(state.inFlight)
            # TYPE request_duration_seconds histogram

            """
        for (bound, count) in zip(Self.bounds, state.slower) {
            text += "request_duration_seconds_bucket{le=\"\(bound)\"} \(count)\n"
        }
        let count = state.good + state.bad
        return text
            + """
            request_duration_seconds_bucket{le="+Inf"} \(count)
            request_duration_seconds_sum \(state.seconds)
            request_duration_seconds_count \(count)

            """
    }
}
