// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The order of texts by their UTF-8 bytes.
///
/// JSON knows no canonical equivalence, and Swift's own `<` and `==` do; and every look into an object compares names.
enum ByteOrder {
    /// Negative where `left` comes first, positive where `right` does, 0 where they are the same bytes.
    static func compare(_ left: String, _ right: String) -> Int {
        let quick = unsafe left.utf8.withContiguousStorageIfAvailable { left in
            unsafe right.utf8.withContiguousStorageIfAvailable { right in
                unsafe compare(left, right)
            }
        }
        if let quick, let quick { return quick }
        // Only texts that came from elsewhere (an `NSString`) have no contiguous bytes.
        if left.utf8.elementsEqual(right.utf8) { return 0 }
        return left.utf8.lexicographicallyPrecedes(right.utf8) ? -1 : 1
    }

    /// Whether they are the same bytes.
    static func isSame(_ left: String, _ right: String) -> Bool {
        left.utf8.count == right.utf8.count && compare(left, right) == 0
    }

    /// Notes the bytes, so that what `isSame` tells apart gets different hashes; Swift's own hash is one of characters.
    static func hash(_ text: String, into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        // Where the text ends, for those that stand behind each other.
        hasher.combine(UInt8.max)
    }

    private static func compare(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Int {
        let count = min(left.count, right.count)
        if count > 0, let first = left.baseAddress, let second = right.baseAddress {
            let order = unsafe memcmp(first, second, count)
            if order != 0 { return Int(order) }
        }
        return left.count - right.count
    }
}
