// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A running SHA-256 (FIPS 180-4) over bytes that arrive in pieces.
@safe public struct SHA256Digest: ~Copyable {
    private let library: OpenSSLLibrary
    private let context: OpaquePointer

    /// Starts a digest.
    /// - Throws: `SecurityError` when OpenSSL isn't there.
    public init() throws(SecurityError) {
        let library = try OpenSSLLibrary.shared.get()
        unsafe self.init(library: library, context: try Self.start(library))
    }

    private init(library: OpenSSLLibrary, context: OpaquePointer) {
        self.library = library
        unsafe self.context = context
    }

    private static func start(_ library: OpenSSLLibrary) throws(SecurityError) -> OpaquePointer {
        guard let context = unsafe library.digestNew() else { throw SecurityError("out of memory for a digest") }
        guard unsafe library.digestInit(context, library.sha256(), nil) == 1 else {
            let reason = library.takeError()
            unsafe library.digestFree(context)
            throw SecurityError("SHA-256 can't be computed: \(reason)")
        }
        return unsafe context
    }

    deinit { unsafe library.digestFree(context) }

    /// Adds bytes.
    public mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { _ = unsafe library.digestUpdate(context, $0.baseAddress, $0.count) }
    }

    /// The digest as 64 lower-case hexadecimal digits; ends the digest.
    public consuming func finish() -> String { Self.hex(digits: finishBytes()) }

    /// The digest as 32 bytes; ends the digest.
    public consuming func finishBytes() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64)
        var length: UInt32 = 0
        unsafe bytes.withUnsafeMutableBufferPointer {
            _ = unsafe library.digestFinal(context, $0.baseAddress, &length)
        }
        return Array(bytes.prefix(Int(length)))
    }

    /// Bytes as lower-case hexadecimal digits.
    static func hex(digits bytes: [UInt8]) -> String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 1 ? "0" + digits : digits
        }.joined()
    }

    /// The digest of whole bytes, as hexadecimal digits.
    public static func hex(of bytes: [UInt8]) throws(SecurityError) -> String {
        var digest = try SHA256Digest()
        digest.update(bytes)
        return digest.finish()
    }
}
