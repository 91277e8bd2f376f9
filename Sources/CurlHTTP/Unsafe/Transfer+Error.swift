// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CCurl

extension Transfer {
    /// The error for libcurl's result `code`.
    func error(for code: CURLcode, configuration: CurlConfiguration) -> CurlError {
        let address = addressWithIP
        let kind = errorCode(code)
        let words = reason(code)
        let message =
            switch kind.kind {
            case .dns: "could not find the host of \(request.address): \(words)"
            case .connect: "could not connect to \(address): \(systemWords ?? words)"
            case .timeout:
                "could not connect to \(address): no connection within \(configuration.connectTimeout)"
            case .tls: "could not agree on TLS with \(address): \(words)"
            case .proxy:
                "could not reach \(request.address) through the proxy \(configuration.proxy ?? "(none)"): \(words)"
            case .connectionLost: "the connection to \(address) ended before the response did: \(words)"
            case .protocolViolation: "\(address) broke the rules of HTTP: \(words)"
            case .idleTimeout, .cancelled, .tooLarge, .readerTooSlow, .shutdown, .invalidRequest, .other:
                "the request to \(address) failed: \(words)"
            }
        return CurlError(code: kind, message: message, address: request.address)
    }

    /// The whole transfer took too long.
    func timeoutError() -> CurlError {
        let limit = request.timeout.map { "\($0)" } ?? "its deadline"
        return CurlError(
            code: .timeout,
            message: "no complete response from \(addressWithIP) within \(limit)",
            address: request.address
        )
    }

    /// No byte came for too long.
    func idleTimeoutError() -> CurlError {
        let limit = request.idleTimeout.map { "\($0)" } ?? "a while"
        return CurlError(
            code: .idleTimeout,
            message: "no byte from \(addressWithIP) for \(limit)",
            address: request.address
        )
    }

    private var addressWithIP: String {
        let ip = easy.text(CURLINFO_PRIMARY_IP)
        return ip.isEmpty || request.address.contains(ip) ? request.address : "\(request.address) (\(ip))"
    }

    private var systemWords: String? {
        Int32(exactly: easy.number(CURLINFO_OS_ERRNO)).flatMap { $0 == 0 ? nil : SystemError(code: $0).description }
    }

    private func reason(_ code: CURLcode) -> String {
        let own = errorWords
        if !own.isEmpty { return own }
        return unsafe curl_easy_strerror(code).map { unsafe String(cString: $0) } ?? "libcurl's code \(code.rawValue)"
    }

    private func errorCode(_ code: CURLcode) -> CurlError.Code {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST: .dns
        case CURLE_COULDNT_CONNECT: .connect
        case CURLE_COULDNT_RESOLVE_PROXY, CURLE_PROXY: .proxy
        case CURLE_OPERATION_TIMEDOUT: .timeout
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CLIENTCERT, CURLE_SSL_INVALIDCERTSTATUS,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_CRL_BADFILE:
            .tls
        // With TLS 1.3 a server refuses a client's certificate after the handshake, while we read.
        case CURLE_RECV_ERROR where errorWords.contains("alert"): .tls
        case CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE: .connectionLost
        // GOAWAY and a lost HTTP/2 connection arrive under these.
        case CURLE_HTTP2, CURLE_HTTP2_STREAM: .connectionLost
        case CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING, CURLE_UNSUPPORTED_PROTOCOL:
            .protocol
        case CURLE_URL_MALFORMAT: .invalidRequest
        default: .other
        }
    }
}
