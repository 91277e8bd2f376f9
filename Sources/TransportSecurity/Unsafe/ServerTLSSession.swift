// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One TLS connection on the server's side, without a socket: ciphertext in, plaintext out, and back.
///
/// Confined to one event loop.
@safe public final class ServerTLSSession {
    /// What came of received bytes.
    public struct Received: Sendable, Equatable {
        /// Decrypted bytes.
        public var plaintext: [UInt8] = []
        /// Bytes to send to the peer (handshake, alerts, key updates).
        public var ciphertext: [UInt8] = []
        /// Whether the peer has ended the session in order.
        public var isClosed = false
    }

    private let context: ServerTLSContext
    private let session: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    /// Whether the handshake is over; bytes can flow.
    public private(set) var hasHandshaken = false
    private var unsent: [UInt8] = []

    /// A session that waits for the peer's first message.
    public init(_ context: ServerTLSContext) throws(SecurityError) {
        let library = context.library
        guard let session = unsafe library.sessionNew(context.pointer) else {
            throw SecurityError("a TLS session can't be made: \(library.takeError())")
        }
        guard let incoming = unsafe library.bufferNew(library.bufferMethod()),
            let outgoing = unsafe library.bufferNew(library.bufferMethod())
        else { throw SecurityError("out of memory for a TLS session") }
        unsafe library.sessionSetBuffers(session, incoming, outgoing)  // The session owns both from here on.
        unsafe library.sessionAccept(session)
        self.context = context
        unsafe self.session = unsafe session
        unsafe self.incoming = unsafe incoming
        unsafe self.outgoing = unsafe outgoing
    }

    deinit { unsafe context.library.sessionFree(session) }

    /// The protocol that was agreed on for the bytes within TLS, such as `h2`; `nil` for none, or before the handshake.
    public var negotiatedProtocol: String? {
        guard hasHandshaken else { return nil }
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        unsafe context.library.sessionProtocol(session, &name, &length)
        guard let name = unsafe name, length > 0 else { return nil }
        return unsafe String(decoding: UnsafeBufferPointer(start: name, count: Int(length)), as: UTF8.self)
    }

    /// The certificates that the client showed, its own first, as PEM; none before the handshake, and where it showed none.
    ///
    /// The client has proved that it holds the first one's private key. Whether it is to be trusted is another question.
    public var peerCertificates: [String] {
        let library = context.library
        guard hasHandshaken, let own = unsafe library.sessionPeerCertificate(session) else { return [] }
        let leaf = unsafe Certificate(library, owning: own)
        var found = [try? leaf.pem()]
        if let chain = unsafe library.sessionPeerChain(session) {
            // Nobody needs more to get to an authority.
            for index in 0..<min(unsafe library.stackCount(chain), 8) {
                guard let item = unsafe library.stackItem(chain, index) else { continue }
                found.append(try? unsafe CertificateText.pem(item, library))
            }
        }
        return found.compactMap(\.self)
    }

    /// Takes bytes from the peer.
    /// - Throws: `SecurityError` when they break the protocol; the connection must then be closed, after what `close()` answers was sent.
    public func receive(_ bytes: [UInt8]) throws(SecurityError) -> Received {
        let library = context.library
        unsafe bytes.withUnsafeBytes {
            _ = unsafe library.bufferWrite(incoming, $0.baseAddress, Int32(clamping: $0.count))
        }
        var received = Received()
        if !hasHandshaken {
            // What an earlier call left in this thread's queue of errors would count as this one's.
            library.errorClear()
            let result = unsafe library.sessionHandshake(session)
            if result == 1 { hasHandshaken = true } else { try check(result) }
        }
        if hasHandshaken {
            if !unsent.isEmpty {
                let waiting = unsent
                unsent = []
                try write(waiting)
            }
            try read(into: &received)
        }
        received.ciphertext = unsafe library.drain(outgoing)
        return received
    }

    /// Encrypts bytes for the peer; before the handshake is over they wait for it.
    public func send(_ bytes: [UInt8]) throws(SecurityError) -> [UInt8] {
        guard hasHandshaken else {
            unsent += bytes
            return []
        }
        try write(bytes)
        return unsafe context.library.drain(outgoing)
    }

    /// Says goodbye: the bytes to send before the connection is closed. After a failure they are the alert that says why.
    public func close() -> [UInt8] {
        if hasHandshaken { _ = unsafe context.library.sessionShutdown(session) }
        return unsafe context.library.drain(outgoing)
    }

    private func write(_ bytes: [UInt8]) throws(SecurityError) {
        guard !bytes.isEmpty else { return }
        context.library.errorClear()
        let result = unsafe bytes.withUnsafeBytes {
            unsafe context.library.sessionWrite(session, $0.baseAddress, Int32(clamping: $0.count))
        }
        guard result == Int32(clamping: bytes.count) else {
            throw SecurityError("TLS: bytes couldn't be encrypted: \(context.library.takeError())")
        }
    }

    private func read(into received: inout Received) throws(SecurityError) {
        var chunk = [UInt8](repeating: 0, count: 16_384)  // The largest TLS record.
        while true {
            context.library.errorClear()
            let count = unsafe chunk.withUnsafeMutableBytes {
                unsafe context.library.sessionRead(session, $0.baseAddress, Int32($0.count))
            }
            if count > 0 {
                received.plaintext += chunk[..<Int(count)]
                continue
            }
            let closed: Int32 = 6  // SSL_ERROR_ZERO_RETURN
            if unsafe context.library.sessionError(session, count) == closed {
                received.isClosed = true
            } else {
                try check(count)
            }
            return
        }
    }

    /// Waiting for more bytes is no error.
    private func check(_ result: Int32) throws(SecurityError) {
        let wantsRead: Int32 = 2  // SSL_ERROR_WANT_READ
        let wantsWrite: Int32 = 3  // SSL_ERROR_WANT_WRITE
        let error = unsafe context.library.sessionError(session, result)
        guard error == wantsRead || error == wantsWrite else {
            throw SecurityError("TLS failed: \(context.library.takeError())")
        }
    }
}

@available(*, unavailable)
extension ServerTLSSession: Sendable {}
