// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Authentication codes of messages: HMAC (RFC 2104) with SHA-256.
public enum HMACSHA256 {
    /// The block size of SHA-256 in bytes (FIPS 180-4).
    private static let blockSize = 64

    /// The code of a message, as 64 lower-case hexadecimal digits.
    /// - Parameter key: the shared secret; one longer than 64 bytes is replaced by its digest, as the RFC says.
    /// - Throws: `SecurityError` when OpenSSL isn't there.
    public static func hex(of message: [UInt8], key: [UInt8]) throws(SecurityError) -> String {
        var key = key
        if key.count > blockSize {
            var digest = try SHA256Digest()
            digest.update(key)
            key = digest.finishBytes()
        }
        key += [UInt8](repeating: 0, count: blockSize - key.count)
        var inner = try SHA256Digest()
        inner.update(key.map { $0 ^ 0x36 })
        inner.update(message)
        var outer = try SHA256Digest()
        outer.update(key.map { $0 ^ 0x5c })
        outer.update(inner.finishBytes())
        return outer.finish()
    }
}
