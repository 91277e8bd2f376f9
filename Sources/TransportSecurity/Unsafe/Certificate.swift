// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// An X.509 certificate, owned.
@safe struct Certificate: ~Copyable {
    private let library: OpenSSLLibrary
    let pointer: OpaquePointer

    private init(_ library: OpenSSLLibrary) throws(SecurityError) {
        self.library = library
        guard let pointer = unsafe library.certificateNew() else {
            throw SecurityError("out of memory for a certificate")
        }
        unsafe self.pointer = unsafe pointer
    }

    /// Takes over a certificate that nobody else frees.
    init(_ library: OpenSSLLibrary, owning pointer: OpaquePointer) {
        self.library = library
        unsafe self.pointer = unsafe pointer
    }

    deinit { unsafe library.certificateFree(pointer) }

    /// Makes and signs a certificate; without an `issuer` it is its own.
    static func make(
        _ request: CertificateRequest,
        key: borrowing PrivateKey,
        issuer: OpaquePointer?,
        issuerKey: borrowing PrivateKey
    ) throws(SecurityError) -> Certificate {
        let library = try OpenSSLLibrary.shared.get()
        let certificate = try Certificate(library)
        let subject = unsafe library.certificateSubject(certificate.pointer)
        let name = Array(request.commonName.utf8)
        let utf8Type: Int32 = 0x1001  // MBSTRING_ASC
        let isNamed = unsafe name.withUnsafeBufferPointer {
            unsafe library.nameAddEntry(subject, "CN", utf8Type, $0.baseAddress, Int32(clamping: $0.count), -1, 0) == 1
        }
        var isAdded = true
        for organization in request.organizations {
            let text = Array(organization.utf8)
            isAdded =
                unsafe text.withUnsafeBufferPointer {
                    unsafe library.nameAddEntry(
                        subject,
                        "O",
                        utf8Type,
                        $0.baseAddress,
                        Int32(clamping: $0.count),
                        -1,
                        0
                    )
                        == 1
                } && isAdded
        }
        guard isNamed, isAdded, unsafe library.certificateSetVersion(certificate.pointer, 2) == 1,
            unsafe library.integerSet(library.certificateSerial(certificate.pointer), request.serial) == 1,
            unsafe library.timeSet(library.certificateNotBefore(certificate.pointer), Int(request.notBefore.seconds))
                != nil,
            unsafe library.timeSet(library.certificateNotAfter(certificate.pointer), Int(request.notAfter.seconds))
                != nil,
            unsafe library.certificateSetKey(certificate.pointer, key.pointer) == 1,
            unsafe library.certificateSetIssuer(
                certificate.pointer,
                library.certificateSubject(issuer ?? certificate.pointer)
            ) == 1
        else { throw SecurityError("a certificate can't be made: \(library.takeError())") }
        try certificate.add(request.extensions)
        guard unsafe library.certificateSign(certificate.pointer, issuerKey.pointer, library.sha256()) > 0 else {
            throw SecurityError("a certificate can't be signed: \(library.takeError())")
        }
        return certificate
    }

    private borrowing func add(
        _ extensions: [(CertificateRequest.Extension, String)]
    ) throws(SecurityError) {
        for (kind, value) in extensions {
            guard let made = unsafe library.extensionMake(nil, nil, kind.rawValue, value) else {
                throw SecurityError("the certificate extension \(kind) can't be \"\(value)\": \(library.takeError())")
            }
            defer { unsafe library.extensionFree(made) }
            guard unsafe library.certificateAddExtension(pointer, made, -1) == 1 else {
                throw SecurityError("a certificate extension can't be added: \(library.takeError())")
            }
        }
    }

    /// The certificate as PEM.
    borrowing func pem() throws(SecurityError) -> String { try unsafe CertificateText.pem(pointer, library) }
}

/// Certificates as PEM text.
enum CertificateText {
    /// A certificate as PEM.
    static func pem(_ pointer: OpaquePointer, _ library: OpenSSLLibrary) throws(SecurityError) -> String {
        let buffer = try MemoryBuffer(library)
        guard unsafe library.certificateWrite(buffer.pointer, pointer) == 1 else {
            throw SecurityError("a certificate can't be written: \(library.takeError())")
        }
        return String(decoding: buffer.readAll(), as: UTF8.self)
    }

    /// Calls `body` with each certificate of a PEM text, in their order; it is freed after the call.
    static func each(
        of text: String,
        _ library: OpenSSLLibrary,
        _ body: (borrowing Certificate) throws(SecurityError) -> Void
    ) throws(SecurityError) {
        let buffer = try MemoryBuffer(library)
        try buffer.append(text)
        defer { _ = library.takeError() }
        while let next = unsafe library.certificateRead(buffer.pointer, nil, nil, nil) {
            try body(unsafe Certificate(library, owning: next))
        }
    }
}
