// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What OpenSSL does when the process ends.
public enum OpenSSLAtExit {
    /// Leaves its memory to the system. By default OpenSSL frees its locks in a handler of `exit`, and a thread that closes a connection at that
    /// moment takes a lock that is gone, and the process crashes at its very end.
    ///
    /// Has to come before OpenSSL is used for the first time, and after it was loaded (`OPENSSL_init_crypto(3)`, `OPENSSL_INIT_NO_ATEXIT`).
    public static func leaveMemory() { _ = isLeft }

    /// Once for the process.
    private static let isLeft: Bool = {
        #if canImport(Glibc) || canImport(Musl)
            typealias Initialize = @convention(c) (UInt64, OpaquePointer?) -> Int32
            let withoutHandler: UInt64 = 0x0008_0000
            guard let symbol = unsafe dlsym(nil, "OPENSSL_init_crypto") else { return false }
            return unsafe unsafeBitCast(symbol, to: Initialize.self)(withoutHandler, nil) == 1
        #else
            return false
        #endif
    }()
}
