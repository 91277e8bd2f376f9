// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// An IPv4 address.
public struct IPv4Address: Sendable, Hashable, CustomStringConvertible {
    /// The address as one number, its first part highest.
    public var number: UInt32

    /// An address by its number.
    public init(number: UInt32) { self.number = number }

    /// Reads `10.0.0.1`; `nil` for anything else, a part with a sign or a leading zero included.
    public init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        number = 0
        for part in parts {
            guard part.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                part.count == 1 || part.first != UInt8(ascii: "0"),
                let byte = UInt8(String(decoding: part, as: UTF8.self))
            else { return nil }
            number = number << 8 | UInt32(byte)
        }
    }

    /// The four parts, the first one first.
    public var bytes: [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) } }

    /// `10.0.0.1`
    public var description: String { bytes.map(String.init).joined(separator: ".") }
}
