// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The certificate and key with which a server speaks TLS (1.2 and later); shared by its sessions.
@safe public final class ServerTLSContext: Sendable {
    let library: OpenSSLLibrary
    // SAFETY: OpenSSL's SSL_CTX counts its references and locks itself once it is set up, which `init` has done.
    nonisolated(unsafe) let pointer: OpaquePointer

    /// Reads certificate and key from PEM text.
    ///
    /// With `offersHTTP2`, `h2` is agreed on (ALPN, RFC 7301) with clients that name it, and `http/1.1` with others that
    /// name that; without, and with clients that name neither, no protocol is.
    ///
    /// With `asksForClientCertificate`, clients may show a certificate: any, or none. Nothing is said of whether it is
    /// to be trusted; who serves judges that (`ClientCertificate`). No session is resumed then, so that each connection
    /// shows its whole chain.
    /// - Throws: `SecurityError` when one can't be read or they don't belong together.
    public init(
        certificatePEM: String,
        privateKeyPEM: String,
        offersHTTP2: Bool = false,
        asksForClientCertificate: Bool = false
    ) throws(SecurityError) {
        let library = try OpenSSLLibrary.shared.get()
        guard let context = unsafe library.contextNew(library.serverMethod()) else {
            throw SecurityError("TLS can't be set up: \(library.takeError())")
        }
        self.library = library
        unsafe pointer = context
        unsafe try Self.configure(library, context, certificatePEM: certificatePEM, privateKeyPEM: privateKeyPEM)
        if offersHTTP2 { unsafe library.contextSelectProtocol(context, selectProtocol, nil) }
        guard asksForClientCertificate else { return }
        let verifyPeer: Int32 = 1  // SSL_VERIFY_PEER
        let setCacheMode: Int32 = 44  // SSL_CTRL_SET_SESS_CACHE_MODE
        unsafe library.contextSetVerification(context, verifyPeer, acceptAnyCertificate)
        _ = unsafe library.contextControl(context, setCacheMode, 0, nil)
        _ = unsafe library.contextSetTickets(context, 0)
    }

    deinit { unsafe library.contextFree(pointer) }

    private static func configure(
        _ library: OpenSSLLibrary,
        _ context: OpaquePointer,
        certificatePEM: String,
        privateKeyPEM: String
    ) throws(SecurityError) {
        let setMinimumVersion: Int32 = 123  // SSL_CTRL_SET_MIN_PROTO_VERSION
        let tls12 = 0x0303
        _ = unsafe library.contextControl(context, setMinimumVersion, tls12, nil)
        let certificateText = try MemoryBuffer(library)
        try certificateText.append(certificatePEM)
        guard let certificate = unsafe library.certificateRead(certificateText.pointer, nil, nil, nil) else {
            throw SecurityError("the certificate can't be read as PEM: \(library.takeError())")
        }
        defer { unsafe library.certificateFree(certificate) }
        let keyText = try MemoryBuffer(library)
        try keyText.append(privateKeyPEM)
        guard let key = unsafe library.keyRead(keyText.pointer, nil, nil, nil) else {
            throw SecurityError("the private key can't be read as PEM: \(library.takeError())")
        }
        defer { unsafe library.keyFree(key) }
        let addToChain: Int32 = 89  // SSL_CTRL_CHAIN_CERT; the context takes a reference of its own with 1.
        while let next = unsafe library.certificateRead(certificateText.pointer, nil, nil, nil) {
            let link = unsafe Certificate(library, owning: next)
            _ = unsafe library.contextControl(context, addToChain, 1, UnsafeMutableRawPointer(link.pointer))
        }
        _ = library.takeError()
        guard unsafe library.contextUseCertificate(context, certificate) == 1,
            unsafe library.contextUseKey(context, key) == 1,
            unsafe library.contextCheckKey(context) == 1
        else { throw SecurityError("certificate and private key don't belong together: \(library.takeError())") }
    }
}

/// Lets the handshake go on whatever certificate the client shows: trust is judged later, by who serves.
private func acceptAnyCertificate(_: Int32, _: OpaquePointer?) -> Int32 { 1 }

/// Picks `h2`, or else `http/1.1`, from the client's list: names with a byte of length before each.
private func selectProtocol(
    _: OpaquePointer?,
    _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ chosenLength: UnsafeMutablePointer<UInt8>?,
    _ offered: UnsafePointer<UInt8>?,
    _ offeredLength: UInt32,
    _: UnsafeMutableRawPointer?
) -> Int32 {
    let accepted: Int32 = 0  // SSL_TLSEXT_ERR_OK
    let passedOver: Int32 = 3  // SSL_TLSEXT_ERR_NOACK
    guard let chosen = unsafe chosen, let chosenLength = unsafe chosenLength, let offered = unsafe offered else {
        return passedOver
    }
    let list = unsafe UnsafeBufferPointer(start: offered, count: Int(offeredLength))
    for wanted in ["h2", "http/1.1"] {
        var start = 0
        while start < list.count {
            let length = unsafe Int(list[start])
            let end = start + 1 + length
            guard end <= list.count else { return passedOver }
            if unsafe list[(start + 1)..<end].elementsEqual(wanted.utf8) {
                // OpenSSL copies the name right after this call.
                unsafe chosen.pointee = unsafe offered + start + 1
                unsafe chosenLength.pointee = UInt8(length)
                return accepted
            }
            start = end
        }
    }
    return passedOver
}
