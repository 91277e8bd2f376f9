// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import Foundation
import HTTPTypes
import LoadGeneration

/// A load generator over libcurl.
struct Load {
    private let exchange: CurlExchange

    /// Connections are used for `connectionLifetime`; `nil` for as long as they last.
    init(connectionLifetime: Duration?) {
        exchange = CurlExchange(
            configuration: CurlConfiguration(
                userAgent: "modelfleet-load/\(Version.current)",
                connectionLifetime: connectionLifetime,
                http2: false
            )
        )
    }

    /// Carries out the plan; cancelling the task ends it early with what there is.
    func run(
        _ plan: LoadPlan,
        _ request: LoadRequest,
        onProgress: @Sendable (LoadProgress) async -> Void
    ) async -> LatencySummary {
        let generator = LoadGenerator(
            exchange: exchange,
            time: SystemTime(),
            random: SystemRandom(),
            errorKind: { ($0 as? CurlError).map { "\($0.code)" } ?? "failed" }
        )
        return await generator.run(plan, request: request, onProgress: onProgress)
    }
}

extension LoadRequest {
    /// A request to `url`: a POST when there is a body, else a GET.
    /// - Throws: `CommandFailure` when the address has no host.
    init(url: String, body: [UInt8]?, contentType: String, timeout: Duration) throws {
        guard let parts = URLComponents(string: url), let scheme = parts.scheme, let host = parts.host else {
            throw CommandFailure("\"\(url)\" is no http address with a host")
        }
        let path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
        var fields = HTTPFields()
        if body != nil { fields[.contentType] = contentType }
        self.init(
            head: HTTPRequest(
                method: body == nil ? .get : .post,
                scheme: scheme,
                authority: host + (parts.port.map { ":\($0)" } ?? ""),
                path: path + (parts.percentEncodedQuery.map { "?\($0)" } ?? ""),
                headerFields: fields
            ),
            body: body ?? [],
            timeout: timeout
        )
    }
}

extension LoadProgress {
    /// One line.
    var text: String {
        let p95 = p95LastSecond.map { "p95 \($0.milliseconds)" } ?? "p95 –"
        return "\(Int(elapsed.inSeconds)) s  sent \(sent)  ok \(ok)  errors \(errors)  in flight \(inFlight)  \(p95)"
    }
}

extension LatencySummary {
    /// The summary in lines.
    var lines: [String] {
        var lines = [
            "requests  \(count), \(ok) answered well, \(failed) failed",
            "rate      \(String(format: "%.1f", achievedRate)) answers a second over \(Int(duration.inSeconds)) s",
        ]
        if let p50, let p95, let p99, let maximum {
            lines.append(
                "latency   p50 \(p50.milliseconds), p95 \(p95.milliseconds), p99 \(p99.milliseconds), "
                    + "max \(maximum.milliseconds)"
            )
        }
        for (kind, count) in errors.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            lines.append("error     \(kind): \(count)" + (firstErrors[kind].map { ", the first: \($0)" } ?? ""))
        }
        return lines
    }
}

extension Duration {
    /// `12.3 ms`
    var milliseconds: String { String(format: inMilliseconds < 100 ? "%.1f ms" : "%.0f ms", inMilliseconds) }
}
