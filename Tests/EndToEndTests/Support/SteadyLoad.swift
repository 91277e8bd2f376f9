// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPMessages
import HTTPTypes
import Synchronization

/// Clients that ask one address without a pause, and what they were told.
final class SteadyLoad: Sendable {
    /// What was told so far.
    struct Tally: Sendable {
        /// Answers by the path of the model's address that gave them.
        var answers: [String: Int] = [:]
        /// Answers that say that the model failed (500): what a bad version does by itself.
        var modelErrors = 0
        /// Everything else that isn't an answer of a model: what no client should ever see.
        var failures: [String] = []

        /// All requests.
        var total: Int { answers.values.reduce(0, +) + failures.count }
    }

    private let tally = Mutex(Tally())
    private let exchange: any HTTPExchange
    private let request: HTTPRequest

    /// A load on `authority` (`127.96.0.2:8080`).
    init(_ exchange: any HTTPExchange, authority: String, path: String = "/predict") {
        self.exchange = exchange
        request = HTTPRequest(method: .post, scheme: "http", authority: authority, path: path)
    }

    /// What was told so far.
    var seen: Tally { tally.withLock { $0 } }

    /// Asks with so many clients, each with a pause between its requests, until cancelled.
    func run(clients: Int, pause: Duration = .zero) async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<clients {
                group.addTask { [self] in
                    while !Task.isCancelled {
                        await ask()
                        if pause > .zero { try? await Task.sleep(for: pause) }
                    }
                }
            }
        }
    }

    /// Asks once.
    func ask() async {
        do {
            let message = HTTPRequestMessage(
                head: request,
                body: StreamingBody(Array("{}".utf8)),
                timeout: .seconds(30)
            )
            let response = try await exchange.exchange(message)
            let body = try await response.body.collect(upTo: 1 << 16)
            let model = HTTPField.Name("x-model").flatMap { response.head.headerFields[$0] }
            tally.withLock { tally in
                guard let model else {
                    return tally.failures.append(
                        "\(response.head.status.code) \(String(decoding: body, as: UTF8.self))"
                    )
                }
                tally.answers[model, default: 0] += 1
                if response.head.status.code == 500 { tally.modelErrors += 1 }
            }
        } catch {
            if Task.isCancelled { return }
            tally.withLock { $0.failures.append("\(error)") }
        }
    }
}
