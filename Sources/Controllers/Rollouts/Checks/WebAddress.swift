// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes

/// Where a webhook is: the parts of an HTTP URL.
struct WebAddress: Sendable, Hashable {
    /// `http` or `https`.
    var scheme: String
    /// Host and port.
    var authority: String
    /// The path with its query; begins with a slash.
    var path: String

    /// The longest URL that is taken.
    static let limit = 2048

    /// The parts of a URL as users write it; `nil` where it is none for HTTP. Names and passwords in it are refused, a fragment as well.
    init?(_ url: String) {
        guard url.utf8.count <= Self.limit, url.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else { return nil }
        for scheme in ["http", "https"] where url.hasPrefix(scheme + "://") {
            let rest = url.dropFirst(scheme.count + 3)
            let authority = rest.prefix { $0 != "/" && $0 != "?" }
            let path = rest.dropFirst(authority.count)
            guard !authority.isEmpty, !authority.contains(where: { $0 == "#" || $0 == "@" }), !path.contains("#") else {
                return nil
            }
            self.scheme = scheme
            self.authority = String(authority)
            self.path = path.hasPrefix("/") ? String(path) : "/" + path
            return
        }
        return nil
    }

    /// A POST of JSON to it.
    /// - Parameters:
    ///   - fields: further header fields.
    ///   - timeout: the longest time to the end of the answer.
    ///   - answerLimit: the most bytes of the answer.
    func post(
        _ body: [UInt8],
        fields: HTTPFields = HTTPFields(),
        timeout: Duration,
        answerLimit: Int
    ) -> HTTPRequestMessage {
        var head = HTTPRequest(method: .post, scheme: scheme, authority: authority, path: path, headerFields: fields)
        head.headerFields[.contentType] = "application/json"
        head.headerFields[.accept] = "application/json"
        head.headerFields[.userAgent] = "modelfleet"
        return HTTPRequestMessage(
            head: head,
            body: StreamingBody(body),
            timeout: timeout,
            maximumResponseBytes: answerLimit
        )
    }
}
