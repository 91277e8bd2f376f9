// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import Synchronization
import Telemetry

/// Which Prometheus servers answer. One that doesn't is asked one question at a time, more seldom with each that fails: the models
/// that ask others must not wait for it.
struct PrometheusServers {
    private struct Outage {
        var failures: Int
        var noted: WallTime
        var retry: WallTime
        var reason: String
    }

    /// The longest wait before the next question: shorter than an answer may be old.
    static let longestWait = Duration.seconds(15)

    private var outages: [PrometheusAddress: Outage] = [:]
    private var answering: Set<PrometheusAddress> = []

    /// Nothing known.
    init() {}

    /// Whether its last answer came.
    func answers(_ address: PrometheusAddress) -> Bool { answering.contains(address) }

    /// Why its last answer didn't come; `nil` where it did, or nothing was asked yet.
    func outage(_ address: PrometheusAddress) -> String? { outages[address]?.reason }

    /// Whether it may be asked, while `running` of its questions are open.
    func mayAsk(_ address: PrometheusAddress, running: Int, now: WallTime) -> Bool {
        outages[address].map { running == 0 && $0.retry <= now } ?? true
    }

    /// Notes an answer, or why there was none.
    ///
    /// Questions that were open when the server went fail together: that is one failure, however many they were.
    /// - Parameters:
    ///   - asked: when the question was asked.
    ///   - spread: from 0 to 1; servers that failed together aren't asked together.
    mutating func note(
        _ address: PrometheusAddress,
        outage: String?,
        asked: WallTime,
        now: WallTime,
        spread: Double
    ) {
        guard let outage else {
            outages[address] = nil
            answering.insert(address)
            return
        }
        if let known = outages[address], asked <= known.noted { return }
        answering.remove(address)
        let failures = (outages[address]?.failures ?? 0) + 1
        let wait = min(Self.longestWait, .seconds(1 << min(failures - 1, 4)))
        let retry = now + wait * (0.5 + 0.5 * spread)
        outages[address] = Outage(failures: failures, noted: now, retry: retry, reason: outage)
    }

    /// Forgets those that nobody asks any more.
    mutating func keep(_ used: Set<PrometheusAddress>) {
        outages = outages.filter { used.contains($0.key) }
        answering.formIntersection(used)
    }
}

/// Passes questions on to a server, and notes why one wasn't answered.
///
/// | what came | is |
/// | --- | --- |
/// | a status below 500 | an answer |
/// | 500 or more, as JSON | an answer: the server itself says that it didn't compute this query, which took too long, say |
/// | 500 or more, otherwise | none: whoever stands before the server, or a server that isn't ready |
/// | nothing in time, or no connection | none |
final class WatchedExchange: HTTPExchange {
    private let inner: any HTTPExchange
    private let noted = Mutex<String?>(nil)

    /// Passes on to `inner`.
    init(_ inner: any HTTPExchange) { self.inner = inner }

    /// Why a question wasn't answered; `nil` where all were.
    var outage: String? { noted.withLock { $0 } }

    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        do {
            let response = try await inner.exchange(request)
            let code = response.head.status.code
            if code >= 500, !Self.isJSON(response.head.headerFields[.contentType]) {
                noted.withLock { $0 = "status \(code)" }
            }
            return response
        } catch {
            noted.withLock { $0 = "\(error)" }
            throw error
        }
    }

    private static func isJSON(_ contentType: String?) -> Bool {
        let media = contentType?.split(separator: ";", maxSplits: 1).first?.filter { !$0.isWhitespace }
        return media?.lowercased() == "application/json"
    }
}
