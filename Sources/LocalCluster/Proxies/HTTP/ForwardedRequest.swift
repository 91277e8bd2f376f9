// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1

/// How a request is sent on, decided by its head alone.
///
/// Fields that concern one connection only don't pass (RFC 9110, 7.6.1). What the proxy can't pass on unchanged is
/// refused rather than guessed: that is how request smuggling begins.
struct ForwardedRequest {
    /// Why a request isn't sent on.
    struct Refusal: Error {
        /// The status to answer.
        var status: HTTPResponseStatus
        /// The body, for a person.
        var reason: String
    }

    /// The head to send to the pod.
    var head: HTTPRequestHead
    /// Whether the client wants to go on with its connection.
    var isKeptAlive: Bool
    /// Whether the client speaks HTTP/1.0, which knows no chunks and no interim answers.
    var isOldVersion: Bool
    /// Whether the connection stops to be HTTP with this request (CONNECT, or an upgrade): it is relayed to the pod as
    /// it is.
    var opensTunnel = false
    /// Whether the request has a body.
    var hasBody: Bool
    /// Whether the client waits to be told before it sends the body.
    var asksFirst: Bool
    /// Whether what is left of the request may be read and thrown away, so that the connection can go on.
    var isShort: Bool
    /// Whether it may be sent a second time after it may have been received: its method is idempotent (RFC 9110,
    /// 9.2.2), and no part of a body is gone.
    var isReplayable: Bool

    /// Decides.
    init(_ original: HTTPRequestHead) throws(Refusal) {
        let headers = original.headers
        isOldVersion = original.version.minor == 0
        isKeptAlive = original.isKeepAlive
        let codings = headers[canonicalForm: "transfer-encoding"]
        let isChunked = !codings.isEmpty
        guard codings.isEmpty || codings.count == 1 && codings[0].lowercased() == "chunked" && !isOldVersion else {
            throw Refusal(status: .notImplemented, reason: "only the transfer coding \"chunked\" is understood")
        }
        let named = headers[canonicalForm: "connection"].map { $0.lowercased() }
        hasBody = isChunked || headers.first(name: "content-length").map { $0 != "0" } ?? false
        asksFirst = hasBody && !isOldVersion && headers.contains(name: "expect")
        let length = hasBody ? headers.first(name: "content-length").flatMap { Int($0) } : 0
        isShort = !asksFirst && length ?? Int.max <= ProxyLimits.thrownBytes
        isReplayable = !hasBody && [.GET, .HEAD, .OPTIONS, .TRACE, .PUT, .DELETE].contains(original.method)
        head = HTTPRequestHead(version: original.version, method: original.method, uri: original.uri)
        let isUpgrade = named.contains("upgrade") && headers.contains(name: "upgrade")
        if original.method == .CONNECT || isUpgrade {
            // The parser stops after such a request. One that the pod could answer as any other (a server may ignore
            // the wish, RFC 9110, 7.8) is sent without the wish, and is its connection's last.
            let wishes = headers[canonicalForm: "upgrade"].map { $0.lowercased() }
            opensTunnel = original.method == .CONNECT || !hasBody && wishes != ["h2c"]
            if opensTunnel {
                head.headers = headers
                return
            }
            isKeptAlive = false
        }
        for (name, value) in headers where !Self.isOfOneConnection(name, named) {
            if isOldVersion, name.lowercased() == "expect" { continue }
            head.headers.add(name: name, value: value)
        }
        if isChunked { head.headers.add(name: "transfer-encoding", value: "chunked") }
        if isOldVersion { head.headers.add(name: "connection", value: "close") }
    }

    /// The head as bytes, for a tunnel.
    var bytes: ByteBuffer {
        var text = "\(head.method.rawValue) \(head.uri) HTTP/1.\(head.version.minor)\r\n"
        for (name, value) in head.headers { text += "\(name): \(value)\r\n" }
        return ByteBuffer(string: text + "\r\n")
    }

    /// Whether a field concerns one connection only; `named` are the lower-case names in its Connection fields.
    static func isOfOneConnection(_ name: String, _ named: [String]) -> Bool {
        // Most names are of other lengths than these.
        switch name.utf8.count {
        case 2, 7, 10, 14, 16, 17: break
        default: if named.isEmpty { return false }
        }
        let name = name.lowercased()
        switch name {
        case "connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "http2-settings":
            return true
        case "host", "content-length": return false
        default: return named.contains(name)
        }
    }
}
