// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes

/// A request in the terms of libcurl, checked and whole.
struct TransferRequest: Sendable {
    /// The method as sent.
    var method: String
    /// The URL that libcurl gets; its host is `tls.serverName` when that is set.
    var url: String
    /// The host and port to check names against, of the request's own URL, such as `127.0.0.1:8443`.
    var address: String
    /// What `CURLOPT_CONNECT_TO` gets when the certificate's name isn't the host.
    var connectTo: String?
    /// Lines such as `Accept: application/json`.
    var headerLines: [String]
    /// The body; `nil` for a request without one (no `Content-Length` is sent).
    var body: [UInt8]?
    /// When the whole transfer has to be done; `nil` for no limit.
    var deadline: WallTime?
    /// The limit behind `deadline`, for the message.
    var timeout: Duration?
    /// The longest time without a byte; `nil` for no limit.
    var idleTimeout: Duration?
    /// The largest body; `nil` for a stream.
    var maximumBytes: Int?
    /// Whether HTTP/2 is offered.
    var usesHTTP2: Bool
    /// Whether the host is an IP address, which no name service has to be asked for.
    var isAddress: Bool

    /// Checks `message` and reads its body.
    /// - Throws: `CurlError` with the code `invalidRequest` or `tooLarge`; what reading the body throws.
    init(_ message: HTTPRequestMessage, configuration: CurlConfiguration, started: WallTime) async throws {
        let head = message.head
        method = head.method.rawValue
        timeout = message.timeout
        deadline = message.timeout.map { started + $0 }
        idleTimeout = message.idleTimeout
        maximumBytes = message.timeout != nil && message.maximumResponseBytes > 0 ? message.maximumResponseBytes : nil

        let scheme = head.scheme?.lowercased() ?? ""
        guard scheme == "http" || scheme == "https", let authority = head.authority, !authority.isEmpty else {
            throw CurlError(
                code: .invalidRequest,
                message: "can't send \(head.method.rawValue) \(head.path ?? "/"): "
                    + "the request needs the scheme http or https and a host"
            )
        }
        usesHTTP2 = configuration.http2 && scheme == "https"
        let place = try HostAndPort(authority, scheme: scheme)
        address = place.description
        isAddress = place.isAddress
        var path = head.path ?? "/"
        if !path.hasPrefix("/") { path = "/" + path }
        headerLines = []
        if scheme == "https", let name = configuration.tls.serverName, name != place.host {
            url = "https://\(name):\(place.port)\(path)"
            connectTo = "\(name):\(place.port):\(place.bracketedHost):\(place.port)"
            headerLines.append("Host: \(authority)")
        } else {
            url = "\(scheme)://\(authority)\(path)"
        }
        for field in head.headerFields where field.name != .contentLength {
            headerLines.append(field.value.isEmpty ? "\(field.name);" : "\(field.name): \(field.value)")
        }
        // libcurl would add a form's content type, and wait a second for "100 Continue" before a large body.
        if !head.headerFields.contains(.contentType) { headerLines.append("Content-Type:") }
        if !head.headerFields.contains(.expect) { headerLines.append("Expect:") }

        let bytes: [UInt8]
        do {
            bytes = try await message.body.collect(upTo: configuration.maximumRequestBytes)
        } catch let error as BodyTooLarge {
            throw CurlError(
                code: .tooLarge,
                message: "the request's body for \(address) is larger than \(error.limit) bytes",
                address: address
            )
        }
        let needsLength = head.method == .post || head.method == .put || head.method == .patch
        body = bytes.isEmpty && !needsLength ? nil : bytes
    }
}

/// The host and the port of a URL's authority.
struct HostAndPort: Sendable, Hashable, CustomStringConvertible {
    /// The host without brackets.
    var host: String
    /// The port, the scheme's own where none was written.
    var port: Int

    /// Takes `authority` apart; a user and password in it are skipped.
    init(_ authority: String, scheme: String) throws(CurlError) {
        let place = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
        var hostText = place
        var portText: Substring?
        if place.hasPrefix("["), let end = place.firstIndex(of: "]") {
            hostText = place[place.index(after: place.startIndex)..<end]
            let rest = place[place.index(after: end)...]
            portText = rest.hasPrefix(":") ? rest.dropFirst() : nil
        } else if let colon = place.lastIndex(of: ":") {
            hostText = place[..<colon]
            portText = place[place.index(after: colon)...]
        }
        let standard = scheme == "https" ? 443 : 80
        guard !hostText.isEmpty, let port = portText.map({ Int($0) }) ?? standard, (1...65535).contains(port) else {
            throw CurlError(
                code: .invalidRequest,
                message: "\(authority) is no host with a port, such as 10.0.0.1:6443"
            )
        }
        host = String(hostText)
        self.port = port
    }

    /// Whether the host is an IP address: only an IPv6 address has a colon, and no name has only digits and dots.
    var isAddress: Bool {
        host.contains(":") || host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (48...57).contains($0) }
    }

    /// The host, in brackets when it is an IPv6 address.
    var bracketedHost: String { host.contains(":") ? "[\(host)]" : host }

    /// `host:port`.
    var description: String { "\(bracketedHost):\(port)" }
}
