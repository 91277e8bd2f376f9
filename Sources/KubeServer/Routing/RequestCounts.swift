// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Synchronization

/// Counts the answered requests, as the real server's metric `apiserver_request_total` does, for `/metrics`.
///
/// A watch counts when it begins (the real server counts it when it ends).
final class RequestCounts: Sendable {
    /// What requests are counted by.
    struct Series: Hashable {
        /// `GET`, `LIST`, `WATCH`, `POST`, `PUT`, `PATCH`, `APPLY`, `DELETE`, `DELETECOLLECTION`.
        var verb: String
        /// The group; empty for the core group and for requests of no resource.
        var group = ""
        /// The version; empty for requests of no resource.
        var version = ""
        /// The plural; empty for requests of no resource.
        var resource = ""
        /// The subresource; empty for the object itself.
        var subresource = ""
        /// The HTTP status.
        var code: Int
    }

    /// The most series that are kept: names come from the client, memory must not.
    static let seriesLimit = 4096

    private let counts = Mutex<[Series: Int]>([:])

    /// Counts one request.
    func note(_ request: ServerRequest, code: Int) {
        let series = Self.series(request, code: code)
        counts.withLock { counts in
            if let count = counts[series] {
                counts[series] = count + 1
            } else if counts.count < Self.seriesLimit {
                counts[series] = 1
            }
        }
    }

    /// The counts in the Prometheus text format, version 0.0.4.
    var text: String {
        let lines = counts.withLock { $0 }.map { series, count in
            "apiserver_request_total{code=\"\(series.code)\",group=\"\(series.group)\""
                + ",resource=\"\(series.resource)\",subresource=\"\(series.subresource)\""
                + ",verb=\"\(series.verb)\",version=\"\(series.version)\"} \(count)\n"
        }
        return "# HELP apiserver_request_total Answered requests.\n# TYPE apiserver_request_total counter\n"
            + lines.sorted().joined()
    }

    /// What isn't written as a resource is (a quote, say) counts as no resource, and so does an unknown collection.
    private static func series(_ request: ServerRequest, code: Int) -> Series {
        guard let target = RequestTarget(parts: request.parts), code != 404 || target.name != nil,
            [target.group, target.version, target.plural, target.subresource ?? ""].allSatisfy(isPlain)
        else { return Series(verb: request.method.rawValue, code: code) }
        return Series(
            verb: verb(request, target),
            group: target.group,
            version: target.version,
            resource: target.plural,
            subresource: target.subresource ?? "",
            code: code
        )
    }

    private static func isPlain(_ name: String) -> Bool {
        name.utf8.count <= 253 && name.utf8.allSatisfy { $0 == 45 || $0 == 46 || 48...57 ~= $0 || 97...122 ~= $0 }
    }

    /// The request's verb, as in `Series`.
    static func verb(_ request: ServerRequest, _ target: RequestTarget) -> String {
        switch request.method {
        case .get, .head:
            if target.isWatch { return "WATCH" }
            guard target.name == nil else { return "GET" }
            return ["1", "true"].contains(request.query["watch"]) ? "WATCH" : "LIST"
        case .delete: return target.name == nil ? "DELETECOLLECTION" : "DELETE"
        case .patch: return request.contentType.contains("apply-patch") ? "APPLY" : "PATCH"
        default: return request.method.rawValue
        }
    }
}
