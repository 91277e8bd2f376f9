// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Why a call of the system failed.
public struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The number in `errno`, such as `ENOENT`.
    public var code: Int32

    /// An error by its number.
    public init(code: Int32) { self.code = code }

    /// Whether there is no such file, or no folder on the way to it.
    public var isAbsence: Bool { code == ENOENT || code == ENOTDIR }

    /// The system's words, as the end of a sentence: `permission denied`.
    public var description: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
        let words = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return words.prefix(1).lowercased() + words.dropFirst()
    }
}
