// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Looks at eight bytes of a page at once.
// SAFETY: what is loaded is eight bytes as an integer, which any bytes are, and `RawSpan` checks the bounds of each load.
enum ByteScan {
    private static let width = MemoryLayout<UInt64>.size
    private static let lowBits: UInt64 = 0x0101_0101_0101_0101
    private static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// Whether the `count` bytes from `first` on are the same as those from `second` on.
    @inline(__always)
    static func isSame(_ bytes: Span<UInt8>, _ first: Int, _ second: Int, count: Int) -> Bool {
        isSame(bytes, first, bytes, second, count: count)
    }

    /// Whether the `count` bytes of `left` from `first` on are the same as those of `right` from `second` on.
    @inline(__always)
    static func isSame(_ left: Span<UInt8>, _ first: Int, _ right: Span<UInt8>, _ second: Int, count: Int) -> Bool {
        guard first + count <= left.count, second + count <= right.count else { return false }
        let (leftWords, rightWords) = unsafe (left.bytes, right.bytes)
        var offset = 0
        while offset + width <= count {
            if word(leftWords, first + offset) != word(rightWords, second + offset) { return false }
            offset += width
        }
        while offset < count {
            if left[first + offset] != right[second + offset] { return false }
            offset += 1
        }
        return true
    }

    /// The position of the first line feed from `start` on, and whether there is a byte beyond ASCII before it. There must be
    /// a line feed.
    @inline(__always)
    static func lineFeed(_ bytes: Span<UInt8>, from start: Int) -> (position: Int, isASCII: Bool) {
        let words = unsafe bytes.bytes
        var position = start
        var union: UInt64 = 0
        while position + width <= bytes.count {
            let word = word(words, position)
            // A byte's high bit is set where it is the first that is zero (Hacker's Delight, 6-1).
            let differences = word ^ (lowBits &* UInt64(ExpositionBytes.lineFeed))
            let zeros = (differences &- lowBits) & ~differences & highBits
            if zeros != 0 {
                let before = zeros.trailingZeroBitCount / 8
                union |= word & ~(UInt64.max << UInt64(before * 8))
                return (position + before, union & highBits == 0)
            }
            union |= word
            position += width
        }
        while bytes[position] != ExpositionBytes.lineFeed {
            union |= UInt64(bytes[position])
            position += 1
        }
        return (position, union & highBits == 0)
    }

    /// The position of the first byte from `start` on that can't be in a metric's name. There must be one.
    @inline(__always)
    static func endOfName(_ bytes: Span<UInt8>, from start: Int) -> Int {
        let words = unsafe bytes.bytes
        var position = start
        while position + width <= bytes.count {
            let others = ~nameBytes(word(words, position)) & highBits
            if others != 0 { return position + others.trailingZeroBitCount / 8 }
            position += width
        }
        while ExpositionBytes.isNameByte(bytes[position]) { position += 1 }
        return position
    }

    /// The high bits of those bytes that may be in a metric's name: letters, digits, colons and underscores.
    @inline(__always)
    private static func nameBytes(_ word: UInt64) -> UInt64 {
        let ascii = word & ~highBits
        let isLetter = isWithin(ascii | lowBits &* 0x20, "a", "z")
        // The colon follows the digits.
        let isDigit = isWithin(ascii, "0", ":")
        let isUnderscore = isWithin(ascii, "_", "_")
        return (isLetter | isDigit | isUnderscore) & ~word
    }

    /// The high bits of those bytes, all of them ASCII, that are in a range. A byte below 128 plus one below 128 has no carry.
    @inline(__always)
    private static func isWithin(_ ascii: UInt64, _ first: Unicode.Scalar, _ last: Unicode.Scalar) -> UInt64 {
        let reachesFirst = ascii &+ lowBits &* UInt64(0x80 - first.value)
        let isBeyondLast = ascii &+ lowBits &* UInt64(0x7f - last.value)
        return reachesFirst & ~isBeyondLast
    }

    @inline(__always)
    private static func word(_ words: RawSpan, _ position: Int) -> UInt64 {
        UInt64(littleEndian: unsafe words.unsafeLoadUnaligned(fromByteOffset: position, as: UInt64.self))
    }
}
