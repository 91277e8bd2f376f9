// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// What a client's certificate says about the client, once an authority was found to vouch for it.
public struct ClientCertificate: Sendable, Hashable {
    /// The subject's common name: who the client is.
    public var commonName: String
    /// The subject's organizations: the groups that the client is in.
    public var organizations: [String]

    /// Checks a chain of certificates as the server of a TLS connection does: signatures up to one of the authorities,
    /// validity at `now`, and that it may be used by clients (RFC 5280).
    /// - Parameters:
    ///   - chain: PEM texts, the client's own certificate first.
    ///   - authorities: PEM text of the certificates that are trusted; only these. Each is, also one that another authority
    ///     signed: a cluster's authorities may be intermediate ones whose root is kept offline.
    /// - Throws: `SecurityError` with the reason why the chain isn't trusted.
    public init(verifying chain: [String], authorities: String, now: WallTime) throws(SecurityError) {
        let library = try OpenSSLLibrary.shared.get()
        guard let store = unsafe library.storeNew(), let others = unsafe library.stackNew(),
            let verification = unsafe library.verificationNew()
        else { throw SecurityError("out of memory for a certificate check") }
        defer {
            unsafe library.verificationFree(verification)
            unsafe library.stackFree(others)
            unsafe library.storeFree(store)
        }
        try CertificateText.each(of: authorities, library) { authority in
            _ = unsafe library.storeAdd(store, authority.pointer)  // It keeps a reference of its own.
        }
        let held = try HeldCertificates(chain.joined(separator: "\n"), library)
        guard let leaf = unsafe held.pointers.first else { throw SecurityError("the client showed no certificate") }
        for index in unsafe held.pointers.indices.dropFirst() {
            _ = unsafe library.stackPush(others, held.pointers[index])
        }
        let clientPurpose: Int32 = 1  // X509_PURPOSE_SSL_CLIENT
        guard unsafe library.verificationInit(verification, store, leaf, others) == 1,
            unsafe library.verificationSetPurpose(verification, clientPurpose) == 1
        else { throw SecurityError("a certificate can't be checked: \(library.takeError())") }
        unsafe library.verificationSetTime(verification, 0, Int(now.seconds))
        // Without it a chain must end in a self-signed authority.
        let partialChain: UInt = 0x80000  // X509_V_FLAG_PARTIAL_CHAIN
        unsafe library.verificationSetFlags(verification, partialChain)
        guard unsafe library.verify(verification) == 1 else {
            let code = unsafe library.verificationError(verification)
            let text = unsafe library.verificationErrorText(Int(code)).map { unsafe String(cString: $0) }
            _ = library.takeError()
            throw SecurityError("the client's certificate isn't trusted: \(text ?? "error \(code)")")
        }
        let subject = unsafe library.certificateSubject(leaf)
        commonName = unsafe Self.texts(subject, 13, library).first ?? ""  // NID_commonName
        organizations = unsafe Self.texts(subject, 17, library)  // NID_organizationName
    }

    /// The entries of one kind in a name.
    private static func texts(_ name: OpaquePointer?, _ kind: Int32, _ library: OpenSSLLibrary) -> [String] {
        var found: [String] = []
        var index: Int32 = -1
        while true {
            index = unsafe library.nameFind(name, kind, index)
            guard index >= 0, found.count < 256 else { return found }
            var bytes: UnsafeMutablePointer<UInt8>?
            let length = unsafe library.stringToUTF8(&bytes, library.nameEntryText(library.nameEntry(name, index)))
            guard let text = unsafe bytes, length >= 0 else { continue }
            let buffer = unsafe UnsafeBufferPointer(start: text, count: Int(length))
            found.append(unsafe String(decoding: buffer, as: UTF8.self))
            unsafe library.memoryFree(text, nil, 0)
        }
    }
}

/// Facts about certificates in PEM texts.
public enum CertificateFacts {
    /// When the first certificate of a PEM text ends.
    /// - Throws: `SecurityError` for a text without a certificate.
    public static func end(of text: String) throws(SecurityError) -> WallTime {
        let library = try OpenSSLLibrary.shared.get()
        let held = try HeldCertificates(text, library)
        guard let first = unsafe held.pointers.first else { throw SecurityError("the text holds no PEM certificate") }
        guard let start = unsafe library.timeSet(nil, 0) else { throw SecurityError("out of memory for a time") }
        defer { unsafe library.timeFree(start) }
        var days: Int32 = 0
        var seconds: Int32 = 0
        guard unsafe library.timeDifference(&days, &seconds, start, library.certificateEnd(first)) == 1 else {
            throw SecurityError("the end of a certificate can't be read: \(library.takeError())")
        }
        return WallTime(seconds: Double(days) * 86_400 + Double(seconds))
    }

    /// Each certificate of a PEM text on its own, written anew: equal certificates give equal texts.
    public static func parts(of text: String) throws(SecurityError) -> [String] {
        let library = try OpenSSLLibrary.shared.get()
        var parts: [String] = []
        try CertificateText.each(of: text, library) { certificate throws(SecurityError) in
            parts.append(try certificate.pem())
        }
        return parts
    }
}

/// The certificates of a PEM text, freed together.
@safe private struct HeldCertificates: ~Copyable {
    private let library: OpenSSLLibrary
    private(set) var pointers: [OpaquePointer] = unsafe []

    init(_ text: String, _ library: OpenSSLLibrary) throws(SecurityError) {
        self.library = library
        let buffer = try MemoryBuffer(library)
        try buffer.append(text)
        while let next = unsafe library.certificateRead(buffer.pointer, nil, nil, nil) { unsafe pointers.append(next) }
        _ = library.takeError()
    }

    deinit { for index in unsafe pointers.indices { unsafe library.certificateFree(pointers[index]) } }
}
