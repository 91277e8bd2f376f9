// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
public import HTTPMessages
public import HTTPTypes
import KubeModel

/// One series of a query's result.
public struct PrometheusSeries: Sendable, Hashable {
    /// Its labels.
    public var labels: [String: String]
    /// Its value; may be NaN or infinite.
    public var value: Double
    /// When the query was evaluated, in seconds since the epoch.
    public var time: Double

    /// A series.
    public init(labels: [String: String], value: Double, time: Double) {
        self.labels = labels
        self.value = value
        self.time = time
    }
}

/// What an instant query answered.
public struct PrometheusAnswer: Sendable, Hashable {
    /// The series; none when nothing matched, which isn't zero.
    public var series: [PrometheusSeries]
    /// Why the answer may lack series, as the server says it: it may be partial.
    public var warnings: [String]

    /// An answer.
    public init(series: [PrometheusSeries], warnings: [String] = []) {
        self.series = series
        self.warnings = warnings
    }
}

/// Why a query has no answer.
public struct PrometheusQueryError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong.
    public enum Code: String, Sendable, Hashable {
        /// The query is refused: the user has to change it.
        case badQuery
        /// The query was understood and can't be computed.
        case execution
        /// The query took too long, or was given up.
        case timeout
        /// The server is away, overloaded, or answers something else than its API.
        case unavailable
        /// The server wants other credentials.
        case unauthorized
    }

    /// What went wrong.
    public var code: Code
    /// The server's own words, or what was found instead of an answer.
    public var message: String

    /// An error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// A clause.
    public var description: String {
        switch code {
        case .badQuery: "Prometheus refuses the query: \(message)"
        case .execution: "Prometheus can't compute the query: \(message)"
        case .timeout: "the query took too long: \(message)"
        case .unavailable: "Prometheus doesn't answer: \(message)"
        case .unauthorized: "Prometheus wants other credentials: \(message)"
        }
    }
}

/// Asks a Prometheus server, or what speaks its HTTP API (Thanos, Mimir, VictoriaMetrics).
public struct PrometheusClient: Sendable {
    /// The largest answer that is read.
    static let answerLimit = 4 << 20
    /// The part of the time limit after which the server shall give up, so that it can still say so.
    static let serversShare = 0.9

    private let exchange: any HTTPExchange
    private let address: PrometheusAddress
    private let fields: HTTPFields
    private let timeout: Duration

    /// A client of the server at `address`.
    /// - Parameters:
    ///   - fields: further header fields: `Authorization`, or a tenant's.
    ///   - timeout: the longest time for one query.
    public init(
        exchange: any HTTPExchange,
        address: PrometheusAddress,
        fields: HTTPFields = HTTPFields(),
        timeout: Duration = .seconds(5)
    ) {
        self.exchange = exchange
        self.address = address
        self.fields = fields
        self.timeout = timeout
    }

    /// Evaluates `query` now.
    /// - Parameter lookback: how old a sample may be that the query reads; servers before 2.43 use their own setting.
    public func query(_ query: String, lookback: Duration) async throws(PrometheusQueryError) -> PrometheusAnswer {
        var head = HTTPRequest(
            method: .post,
            scheme: address.scheme,
            authority: address.authority,
            path: address.path + "/api/v1/query"
        )
        head.headerFields = fields
        head.headerFields[.contentType] = "application/x-www-form-urlencoded"
        head.headerFields[.accept] = "application/json"
        let form = [
            ("query", query), ("timeout", Self.seconds(timeout * Self.serversShare)),
            ("lookback_delta", Self.seconds(lookback)),
        ]
        let body = form.map { "\($0.0)=\(Self.escaped($0.1))" }.joined(separator: "&")
        let request = HTTPRequestMessage(
            head: head,
            body: StreamingBody(Array(body.utf8)),
            timeout: timeout,
            maximumResponseBytes: Self.answerLimit
        )
        let status: Int
        let bytes: [UInt8]
        do {
            let response = try await exchange.exchange(request)
            status = response.head.status.code
            bytes = try await response.body.collect(upTo: Self.answerLimit)
        } catch {
            throw PrometheusQueryError(.unavailable, "\(error)")
        }
        return try PrometheusAnswer(status: status, body: bytes)
    }

    private static func seconds(_ duration: Duration) -> String { PrometheusTextWriter.number(duration.inSeconds) }

    /// Percent-encodes everything but RFC 3986's unreserved characters.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            if ExpositionBytes.isLabelByte(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                result += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }
}

/// Where a Prometheus server is.
public struct PrometheusAddress: Sendable, Hashable {
    /// `http` or `https`.
    public var scheme: String
    /// Host and port.
    public var authority: String
    /// What stands before `/api`: empty, or `/prometheus`.
    public var path: String

    /// The parts of a URL as users write it; `nil` where it is none for HTTP.
    public init?(_ url: String) {
        for scheme in ["http", "https"] where url.hasPrefix(scheme + "://") {
            let rest = url.dropFirst(scheme.count + 3)
            let authority = rest.prefix { $0 != "/" }
            guard !authority.isEmpty,
                !authority.contains(where: { $0.isWhitespace || $0 == "?" || $0 == "#" || $0 == "@" })
            else { return nil }
            var path = String(rest.dropFirst(authority.count))
            while path.hasSuffix("/") { path.removeLast() }
            guard path.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") })
            else { return nil }
            self.scheme = scheme
            self.authority = String(authority)
            self.path = path
            return
        }
        return nil
    }
}
