// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// OpenSSL 3, opened at run time: the functions that this room uses, with the types of its public C interface.
///
/// libcurl's OpenSSL flavour brings the library, so nothing else has to be installed. OpenSSL keeps its C interface
/// stable within version 3.
@safe final class OpenSSLLibrary: Sendable {
    typealias Pointer = OpaquePointer?
    typealias Bytes = UnsafePointer<UInt8>?
    typealias MutableBytes = UnsafeMutablePointer<UInt8>?
    typealias Text = UnsafePointer<CChar>?

    /// The library, or why it couldn't be opened; opened once.
    static let shared: Result<OpenSSLLibrary, SecurityError> = Result { () throws(SecurityError) in
        try OpenSSLLibrary()
    }

    // Digests.
    let digestNew: @convention(c) () -> Pointer
    let digestFree: @convention(c) (Pointer) -> Void
    let digestInit: @convention(c) (Pointer, Pointer, Pointer) -> Int32
    let digestUpdate: @convention(c) (Pointer, UnsafeRawPointer?, Int) -> Int32
    let digestFinal: @convention(c) (Pointer, MutableBytes, UnsafeMutablePointer<UInt32>?) -> Int32
    let sha256: @convention(c) () -> Pointer

    // Memory buffers.
    let bufferMethod: @convention(c) () -> Pointer
    let bufferNew: @convention(c) (Pointer) -> Pointer
    let bufferNewBytes: @convention(c) (UnsafeRawPointer?, Int32) -> Pointer
    let bufferRead: @convention(c) (Pointer, UnsafeMutableRawPointer?, Int32) -> Int32
    let bufferWrite: @convention(c) (Pointer, UnsafeRawPointer?, Int32) -> Int32
    let bufferPending: @convention(c) (Pointer) -> Int
    let bufferFree: @convention(c) (Pointer) -> Int32

    // Keys and certificates.
    let keyContextNew: @convention(c) (Int32, Pointer) -> Pointer
    let keyContextFree: @convention(c) (Pointer) -> Void
    let keyGenerationInit: @convention(c) (Pointer) -> Int32
    let keySetGroup: @convention(c) (Pointer, Text) -> Int32
    let keyGenerate: @convention(c) (Pointer, UnsafeMutablePointer<OpaquePointer?>?) -> Int32
    let keyFree: @convention(c) (Pointer) -> Void
    let keyWrite: @convention(c) (Pointer, Pointer, Pointer, Bytes, Int32, Pointer, Pointer) -> Int32
    let keyRead: @convention(c) (Pointer, Pointer, Pointer, Pointer) -> Pointer
    let certificateNew: @convention(c) () -> Pointer
    let certificateFree: @convention(c) (Pointer) -> Void
    let certificateSetVersion: @convention(c) (Pointer, Int) -> Int32
    let certificateSerial: @convention(c) (Pointer) -> Pointer
    let integerSet: @convention(c) (Pointer, UInt64) -> Int32
    let certificateNotBefore: @convention(c) (Pointer) -> Pointer
    let certificateNotAfter: @convention(c) (Pointer) -> Pointer
    let timeSet: @convention(c) (Pointer, Int) -> Pointer
    let certificateSetKey: @convention(c) (Pointer, Pointer) -> Int32
    let certificateSubject: @convention(c) (Pointer) -> Pointer
    let certificateSetIssuer: @convention(c) (Pointer, Pointer) -> Int32
    let nameAddEntry: @convention(c) (Pointer, Text, Int32, Bytes, Int32, Int32, Int32) -> Int32
    let extensionMake: @convention(c) (Pointer, Pointer, Int32, Text) -> Pointer
    let extensionFree: @convention(c) (Pointer) -> Void
    let certificateAddExtension: @convention(c) (Pointer, Pointer, Int32) -> Int32
    let certificateSign: @convention(c) (Pointer, Pointer, Pointer) -> Int32
    let certificateWrite: @convention(c) (Pointer, Pointer) -> Int32
    let certificateRead: @convention(c) (Pointer, Pointer, Pointer, Pointer) -> Pointer
    let certificateEnd: @convention(c) (Pointer) -> Pointer
    let timeDifference:
        @convention(c) (UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?, Pointer, Pointer) -> Int32
    let timeFree: @convention(c) (Pointer) -> Void

    // Names in certificates.
    let nameFind: @convention(c) (Pointer, Int32, Int32) -> Int32
    let nameEntry: @convention(c) (Pointer, Int32) -> Pointer
    let nameEntryText: @convention(c) (Pointer) -> Pointer
    let stringToUTF8: @convention(c) (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?, Pointer) -> Int32
    let memoryFree: @convention(c) (UnsafeMutableRawPointer?, Text, Int32) -> Void

    // Chains of certificates.
    let stackNew: @convention(c) () -> Pointer
    let stackPush: @convention(c) (Pointer, Pointer) -> Int32
    let stackCount: @convention(c) (Pointer) -> Int32
    let stackItem: @convention(c) (Pointer, Int32) -> Pointer
    let stackFree: @convention(c) (Pointer) -> Void
    let storeNew: @convention(c) () -> Pointer
    let storeAdd: @convention(c) (Pointer, Pointer) -> Int32
    let storeFree: @convention(c) (Pointer) -> Void
    let verificationNew: @convention(c) () -> Pointer
    let verificationInit: @convention(c) (Pointer, Pointer, Pointer, Pointer) -> Int32
    let verificationSetPurpose: @convention(c) (Pointer, Int32) -> Int32
    let verificationSetTime: @convention(c) (Pointer, UInt, Int) -> Void
    let verificationSetFlags: @convention(c) (Pointer, UInt) -> Void
    let verificationError: @convention(c) (Pointer) -> Int32
    let verificationFree: @convention(c) (Pointer) -> Void
    let verify: @convention(c) (Pointer) -> Int32
    let verificationErrorText: @convention(c) (Int) -> Text

    // Sessions.
    let serverMethod: @convention(c) () -> Pointer
    let contextNew: @convention(c) (Pointer) -> Pointer
    let contextFree: @convention(c) (Pointer) -> Void
    let contextControl: @convention(c) (Pointer, Int32, Int, UnsafeMutableRawPointer?) -> Int
    let contextUseCertificate: @convention(c) (Pointer, Pointer) -> Int32
    let contextUseKey: @convention(c) (Pointer, Pointer) -> Int32
    let contextCheckKey: @convention(c) (Pointer) -> Int32
    typealias VerificationJudge = @convention(c) (Int32, Pointer) -> Int32
    let contextSetVerification: @convention(c) (Pointer, Int32, VerificationJudge?) -> Void
    let contextSetTickets: @convention(c) (Pointer, Int) -> Int32
    let sessionPeerCertificate: @convention(c) (Pointer) -> Pointer
    let sessionPeerChain: @convention(c) (Pointer) -> Pointer
    let sessionNew: @convention(c) (Pointer) -> Pointer
    let sessionFree: @convention(c) (Pointer) -> Void
    let sessionSetBuffers: @convention(c) (Pointer, Pointer, Pointer) -> Void
    let sessionAccept: @convention(c) (Pointer) -> Void
    let sessionHandshake: @convention(c) (Pointer) -> Int32
    let sessionRead: @convention(c) (Pointer, UnsafeMutableRawPointer?, Int32) -> Int32
    let sessionWrite: @convention(c) (Pointer, UnsafeRawPointer?, Int32) -> Int32
    let sessionError: @convention(c) (Pointer, Int32) -> Int32
    let sessionShutdown: @convention(c) (Pointer) -> Int32

    // The protocol above TLS (ALPN).
    typealias ProtocolSelection =
        @convention(c) (
            Pointer, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, MutableBytes, Bytes, UInt32,
            UnsafeMutableRawPointer?
        ) -> Int32
    let contextSelectProtocol: @convention(c) (Pointer, ProtocolSelection?, UnsafeMutableRawPointer?) -> Void
    let sessionProtocol:
        @convention(c) (Pointer, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt32>?) -> Void

    // Errors.
    let errorNext: @convention(c) () -> UInt
    let errorClear: @convention(c) () -> Void
    let errorText: @convention(c) (UInt, UnsafeMutablePointer<CChar>?, Int) -> Void

    private init() throws(SecurityError) {
        let symbols = try SymbolTable()
        unsafe digestNew = try unsafe symbols.function("EVP_MD_CTX_new")
        unsafe digestFree = try unsafe symbols.function("EVP_MD_CTX_free")
        unsafe digestInit = try unsafe symbols.function("EVP_DigestInit_ex")
        unsafe digestUpdate = try unsafe symbols.function("EVP_DigestUpdate")
        unsafe digestFinal = try unsafe symbols.function("EVP_DigestFinal_ex")
        unsafe sha256 = try unsafe symbols.function("EVP_sha256")
        unsafe bufferMethod = try unsafe symbols.function("BIO_s_mem")
        unsafe bufferNew = try unsafe symbols.function("BIO_new")
        unsafe bufferNewBytes = try unsafe symbols.function("BIO_new_mem_buf")
        unsafe bufferRead = try unsafe symbols.function("BIO_read")
        unsafe bufferWrite = try unsafe symbols.function("BIO_write")
        unsafe bufferPending = try unsafe symbols.function("BIO_ctrl_pending")
        unsafe bufferFree = try unsafe symbols.function("BIO_free")
        unsafe keyContextNew = try unsafe symbols.function("EVP_PKEY_CTX_new_id")
        unsafe keyContextFree = try unsafe symbols.function("EVP_PKEY_CTX_free")
        unsafe keyGenerationInit = try unsafe symbols.function("EVP_PKEY_keygen_init")
        unsafe keySetGroup = try unsafe symbols.function("EVP_PKEY_CTX_set_group_name")
        unsafe keyGenerate = try unsafe symbols.function("EVP_PKEY_generate")
        unsafe keyFree = try unsafe symbols.function("EVP_PKEY_free")
        unsafe keyWrite = try unsafe symbols.function("PEM_write_bio_PrivateKey")
        unsafe keyRead = try unsafe symbols.function("PEM_read_bio_PrivateKey")
        unsafe certificateNew = try unsafe symbols.function("X509_new")
        unsafe certificateFree = try unsafe symbols.function("X509_free")
        unsafe certificateSetVersion = try unsafe symbols.function("X509_set_version")
        unsafe certificateSerial = try unsafe symbols.function("X509_get_serialNumber")
        unsafe integerSet = try unsafe symbols.function("ASN1_INTEGER_set_uint64")
        unsafe certificateNotBefore = try unsafe symbols.function("X509_getm_notBefore")
        unsafe certificateNotAfter = try unsafe symbols.function("X509_getm_notAfter")
        unsafe timeSet = try unsafe symbols.function("ASN1_TIME_set")
        unsafe certificateSetKey = try unsafe symbols.function("X509_set_pubkey")
        unsafe certificateSubject = try unsafe symbols.function("X509_get_subject_name")
        unsafe certificateSetIssuer = try unsafe symbols.function("X509_set_issuer_name")
        unsafe nameAddEntry = try unsafe symbols.function("X509_NAME_add_entry_by_txt")
        unsafe extensionMake = try unsafe symbols.function("X509V3_EXT_conf_nid")
        unsafe extensionFree = try unsafe symbols.function("X509_EXTENSION_free")
        unsafe certificateAddExtension = try unsafe symbols.function("X509_add_ext")
        unsafe certificateSign = try unsafe symbols.function("X509_sign")
        unsafe certificateWrite = try unsafe symbols.function("PEM_write_bio_X509")
        unsafe certificateRead = try unsafe symbols.function("PEM_read_bio_X509")
        unsafe certificateEnd = try unsafe symbols.function("X509_get0_notAfter")
        unsafe timeDifference = try unsafe symbols.function("ASN1_TIME_diff")
        unsafe timeFree = try unsafe symbols.function("ASN1_TIME_free")
        unsafe nameFind = try unsafe symbols.function("X509_NAME_get_index_by_NID")
        unsafe nameEntry = try unsafe symbols.function("X509_NAME_get_entry")
        unsafe nameEntryText = try unsafe symbols.function("X509_NAME_ENTRY_get_data")
        unsafe stringToUTF8 = try unsafe symbols.function("ASN1_STRING_to_UTF8")
        unsafe memoryFree = try unsafe symbols.function("CRYPTO_free")
        unsafe stackNew = try unsafe symbols.function("OPENSSL_sk_new_null")
        unsafe stackPush = try unsafe symbols.function("OPENSSL_sk_push")
        unsafe stackCount = try unsafe symbols.function("OPENSSL_sk_num")
        unsafe stackItem = try unsafe symbols.function("OPENSSL_sk_value")
        unsafe stackFree = try unsafe symbols.function("OPENSSL_sk_free")
        unsafe storeNew = try unsafe symbols.function("X509_STORE_new")
        unsafe storeAdd = try unsafe symbols.function("X509_STORE_add_cert")
        unsafe storeFree = try unsafe symbols.function("X509_STORE_free")
        unsafe verificationNew = try unsafe symbols.function("X509_STORE_CTX_new")
        unsafe verificationInit = try unsafe symbols.function("X509_STORE_CTX_init")
        unsafe verificationSetPurpose = try unsafe symbols.function("X509_STORE_CTX_set_purpose")
        unsafe verificationSetTime = try unsafe symbols.function("X509_STORE_CTX_set_time")
        unsafe verificationSetFlags = try unsafe symbols.function("X509_STORE_CTX_set_flags")
        unsafe verificationError = try unsafe symbols.function("X509_STORE_CTX_get_error")
        unsafe verificationFree = try unsafe symbols.function("X509_STORE_CTX_free")
        unsafe verify = try unsafe symbols.function("X509_verify_cert")
        unsafe verificationErrorText = try unsafe symbols.function("X509_verify_cert_error_string")
        unsafe contextSetVerification = try unsafe symbols.function("SSL_CTX_set_verify")
        unsafe contextSetTickets = try unsafe symbols.function("SSL_CTX_set_num_tickets")
        unsafe sessionPeerCertificate = try unsafe symbols.function("SSL_get1_peer_certificate")
        unsafe sessionPeerChain = try unsafe symbols.function("SSL_get_peer_cert_chain")
        unsafe serverMethod = try unsafe symbols.function("TLS_server_method")
        unsafe contextNew = try unsafe symbols.function("SSL_CTX_new")
        unsafe contextFree = try unsafe symbols.function("SSL_CTX_free")
        unsafe contextControl = try unsafe symbols.function("SSL_CTX_ctrl")
        unsafe contextUseCertificate = try unsafe symbols.function("SSL_CTX_use_certificate")
        unsafe contextUseKey = try unsafe symbols.function("SSL_CTX_use_PrivateKey")
        unsafe contextCheckKey = try unsafe symbols.function("SSL_CTX_check_private_key")
        unsafe sessionNew = try unsafe symbols.function("SSL_new")
        unsafe sessionFree = try unsafe symbols.function("SSL_free")
        unsafe sessionSetBuffers = try unsafe symbols.function("SSL_set_bio")
        unsafe sessionAccept = try unsafe symbols.function("SSL_set_accept_state")
        unsafe sessionHandshake = try unsafe symbols.function("SSL_do_handshake")
        unsafe sessionRead = try unsafe symbols.function("SSL_read")
        unsafe sessionWrite = try unsafe symbols.function("SSL_write")
        unsafe sessionError = try unsafe symbols.function("SSL_get_error")
        unsafe sessionShutdown = try unsafe symbols.function("SSL_shutdown")
        unsafe contextSelectProtocol = try unsafe symbols.function("SSL_CTX_set_alpn_select_cb")
        unsafe sessionProtocol = try unsafe symbols.function("SSL_get0_alpn_selected")
        errorClear = try symbols.function("ERR_clear_error")
        errorNext = try symbols.function("ERR_get_error")
        unsafe errorText = try unsafe symbols.function("ERR_error_string_n")
    }

    /// The text of the oldest error of this thread, and clears the rest.
    func takeError() -> String {
        let code = errorNext()
        guard code != 0 else { return "no reason given" }
        var text = [CChar](repeating: 0, count: 256)
        unsafe text.withUnsafeMutableBufferPointer { unsafe errorText(code, $0.baseAddress, $0.count) }
        while errorNext() != 0 {}
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// The opened shared libraries; they stay open until the process ends.
@safe private struct SymbolTable {
    private let handles: [UnsafeMutableRawPointer]

    init() throws(SecurityError) {
        var handles: [UnsafeMutableRawPointer] = unsafe []
        for names in [["libcrypto.so.3", "libcrypto.3.dylib"], ["libssl.so.3", "libssl.3.dylib"]] {
            guard let handle = unsafe names.lazy.compactMap({ unsafe dlopen($0, RTLD_NOW | RTLD_GLOBAL) }).first else {
                throw SecurityError(
                    "OpenSSL 3 (\(names[0])) isn't installed; install it with: apt-get install libcurl4-openssl-dev"
                )
            }
            unsafe handles.append(handle)
        }
        unsafe self.handles = handles
        OpenSSLAtExit.leaveMemory()
    }

    /// The function `name` as the type that the caller declares for it.
    func function<Function>(_ name: String) throws(SecurityError) -> Function {
        guard let symbol = unsafe handles.lazy.compactMap({ unsafe dlsym($0, name) }).first else {
            throw SecurityError("the installed OpenSSL has no function \(name); version 3.0 or later is needed")
        }
        return unsafe unsafeBitCast(symbol, to: Function.self)
    }
}
