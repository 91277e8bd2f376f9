// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import CurlHTTP
import Foundation
import HTTPMessages
import HTTPTypes

/// Whose figures are measured.
enum SubjectKind: String, CaseIterable, ExpressibleByArgument {
    /// This package's operator.
    case modelfleet
    /// The operator in `benchmarks/kopf`, on the Python framework kopf.
    case kopf
}

/// The operator under test, in a process of its own.
struct Subject: Sendable {
    /// What it says of itself.
    struct Activity: Sendable {
        /// Whether it has listed everything.
        var isSynced = false
        /// How many models it has looked at since its start, each time counted.
        var reconciles = 0
        /// How many it has still to look at; what can't be known counts as 0.
        var open = 0

        /// Whether there is nothing to do.
        var isSettled: Bool { isSynced && open == 0 }
    }

    /// The process.
    let process: BenchProcess
    private let kind: SubjectKind
    private let port: Int
    private let exchange = CurlExchange(configuration: CurlConfiguration(http2: false))

    /// Starts an operator.
    static func start(_ plan: BenchPlan, server: BenchServer, folder: String) throws -> Subject {
        // Any port that nothing listens on; a collision would end the operator with a message.
        let port = 41_000 + Int(SystemRandom().unit() * 7000)
        let environment = ["KUBECONFIG": server.kubeconfig]
        let log = "\(folder)/operator-\(port).log"
        switch plan.subject {
        case .modelfleet:
            let arguments = [
                "operator", "--stop-with-parent", "--health-port", String(port), "--health-host", "127.0.0.1",
                "--log-level", "warning",
            ]
            let process = try BenchProcess(plan.modelfleet, arguments, environment: environment, log: log)
            return Subject(process: process, kind: .modelfleet, port: port)
        case .kopf:
            let arguments = [
                "run", "--quiet", "--all-namespaces", "benchmarks/kopf/operator.py",
            ]
            let settings = environment.merging(["MODELFLEET_BENCH_PORT": String(port)]) { $1 }
            let process = try BenchProcess(plan.kopf, arguments, environment: settings, log: log)
            return Subject(process: process, kind: .kopf, port: port)
        }
    }

    private init(process: BenchProcess, kind: SubjectKind, port: Int) {
        self.process = process
        self.kind = kind
        self.port = port
    }

    /// Asks for its activity; nothing yet while it starts.
    func activity() async throws -> Activity {
        guard process.isRunning else { throw BenchError("the operator ended: \(process.lastWords)") }
        let path = kind == .modelfleet ? "/activity" : "/healthz"
        let head = HTTPRequest(method: .get, scheme: "http", authority: "127.0.0.1:\(port)", path: path)
        let answer: [UInt8]
        do {
            let response = try await exchange.exchange(HTTPRequestMessage(head: head, timeout: .seconds(60)))
            answer = try await response.body.collect(upTo: 1 << 20)
        } catch is CurlError {
            return Activity()
        }
        let text = String(decoding: answer, as: UTF8.self)
        func number(_ name: String) -> Int {
            guard let start = text.firstRange(of: name) else { return 0 }
            return Int(text[start.upperBound...].drop { $0 == " " }.prefix(while: \.isNumber)) ?? 0
        }
        switch kind {
        case .modelfleet:
            return Activity(
                isSynced: number("\nmodelfleet_synced ") == 1,
                reconciles: number("\nmodelfleet_reconciles_total "),
                open: number("\nmodelfleet_models_waiting ") + number("\nmodelfleet_models_in_work ")
            )
        case .kopf: return Activity(isSynced: true, reconciles: number("\"reconciles\":"), open: number("\"open\":"))
        }
    }

    /// Waits until it has looked at `count` models and has nothing to do.
    func settle(count: Int, limit: Duration, every interval: Duration = .milliseconds(10)) async throws {
        var last = Activity()
        do {
            try await waitUntil("the operator settles", limit: limit, every: interval) {
                last = try await activity()
                return last.isSettled && last.reconciles >= count
            }
        } catch let error as BenchError {
            throw BenchError("\(error) (wanted \(count) reconciles; \(last)); \(process.lastWords)")
        }
    }
}
