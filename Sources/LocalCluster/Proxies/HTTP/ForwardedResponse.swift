// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOHTTP1

/// How a pod's answer is passed to the client, decided by its head and the request.
struct ForwardedResponse {
    /// The head to send to the client.
    var head: HTTPResponseHead
    /// Whether a body may follow.
    var hasBody: Bool
    /// Whether the client's connection ends with this answer.
    var endsConnection: Bool

    /// Decides; `nil` for an answer in a transfer coding that nobody asked for.
    /// - Parameter mayStall: whether the client may never send the rest of its request.
    init?(_ original: HTTPResponseHead, to request: ForwardedRequest, mayStall: Bool) {
        let codings = original.headers[canonicalForm: "transfer-encoding"]
        let isChunked = !codings.isEmpty
        guard codings.isEmpty || codings.count == 1 && codings[0].lowercased() == "chunked" else { return nil }
        let named = original.headers[canonicalForm: "connection"].map { $0.lowercased() }
        hasBody = request.head.method != .HEAD && original.status.mayHaveResponseBody
        endsConnection = !request.isKeptAlive || mayStall
        head = HTTPResponseHead(
            version: request.isOldVersion ? .http1_0 : .http1_1,
            status: original.status
        )
        for (name, value) in original.headers where !ForwardedRequest.isOfOneConnection(name, named) {
            head.headers.add(name: name, value: value)
        }
        let hasLength = original.headers.contains(name: "content-length")
        if request.isOldVersion {
            // Without a length only the connection's end can end the body.
            if hasBody, !hasLength { endsConnection = true }
        } else if isChunked || hasBody && !hasLength {
            head.headers.add(name: "transfer-encoding", value: "chunked")
        }
        if endsConnection {
            head.headers.add(name: "connection", value: "close")
        } else if request.isOldVersion {
            head.headers.add(name: "connection", value: "keep-alive")
        }
    }

    /// A pod's interim answer (`100 Continue` and its like) as it is passed on.
    static func interim(_ original: HTTPResponseHead) -> HTTPResponseHead {
        var head = HTTPResponseHead(version: .http1_1, status: original.status)
        let named = original.headers[canonicalForm: "connection"].map { $0.lowercased() }
        for (name, value) in original.headers
        where !ForwardedRequest.isOfOneConnection(name, named) && name.lowercased() != "content-length" {
            head.headers.add(name: name, value: value)
        }
        return head
    }
}
