// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Unpacks gzip files (RFC 1952) whose data is deflated (RFC 1951), with a limit on what comes out.
public struct Gunzip: Sendable {
    /// What is wrong with a file.
    public struct Failure: Error, Equatable, CustomStringConvertible {
        /// The reason.
        public var description: String
    }

    /// Whether `bytes` begin as a gzip file does.
    public static func looksPacked(_ bytes: [UInt8]) -> Bool { bytes.count > 2 && bytes[0] == 0x1f && bytes[1] == 0x8b }

    /// The content of a gzip file, all its members after each other.
    public static func unpack(_ bytes: [UInt8], limit: Int = 1 << 30) throws(Failure) -> [UInt8] {
        var output: [UInt8] = []
        var start = 0
        repeat {
            var reader = BitReader(bytes: bytes, position: try header(bytes, from: start))
            let begin = output.count
            try Inflater(limit: limit).inflate(&reader, into: &output)
            reader.skipToByte()
            let crc = try reader.word()
            let size = try reader.word()
            guard size == UInt32(truncatingIfNeeded: output.count - begin), crc == checksum(output[begin...]) else {
                throw Failure(description: "the file is damaged: its checksum doesn't match")
            }
            start = reader.position
        } while start < bytes.count && looksPacked(Array(bytes[start..<min(start + 3, bytes.count)]))
        return output
    }

    /// Checks a member's header; answers where the data begins.
    private static func header(_ bytes: [UInt8], from start: Int) throws(Failure) -> Int {
        guard bytes.count >= start + 18, bytes[start] == 0x1f, bytes[start + 1] == 0x8b, bytes[start + 2] == 8 else {
            throw Failure(description: "not a gzip file, or cut off")
        }
        let flags = bytes[start + 3]
        var position = start + 10
        if flags & 4 != 0 {
            guard position + 2 <= bytes.count else { throw Failure(description: "the header is cut off") }
            position += 2 + Int(bytes[position]) + Int(bytes[position + 1]) << 8
        }
        for flag: UInt8 in [8, 16] where flags & flag != 0 {
            while position < bytes.count, bytes[position] != 0 { position += 1 }
            position += 1
        }
        if flags & 2 != 0 { position += 2 }
        guard position < bytes.count else { throw Failure(description: "the header is cut off") }
        return position
    }

    /// CRC-32 as in ISO 3309, with the reversed polynomial 0xEDB88320.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        let table = (0..<256).map { (byte: UInt32) -> UInt32 in
            (0..<8).reduce(byte) { crc, _ in crc & 1 == 1 ? 0xedb8_8320 ^ (crc >> 1) : crc >> 1 }
        }
        return ~bytes.reduce(~UInt32(0)) { table[Int(($0 ^ UInt32($1)) & 0xff)] ^ ($0 >> 8) }
    }
}

/// Bits of a byte array, the lowest bit of each byte first.
private struct BitReader {
    let bytes: [UInt8]
    var position: Int
    private var buffer: UInt32 = 0
    private var available = 0

    init(bytes: [UInt8], position: Int) {
        self.bytes = bytes
        self.position = position
    }

    mutating func bits(_ count: Int) throws(Gunzip.Failure) -> Int {
        while available < count {
            guard position < bytes.count else { throw Gunzip.Failure(description: "the file is cut off") }
            buffer |= UInt32(bytes[position]) << UInt32(available)
            position += 1
            available += 8
        }
        let value = buffer & ((1 << UInt32(count)) - 1)
        buffer >>= UInt32(count)
        available -= count
        return Int(value)
    }

    /// Drops the rest of the byte that has been begun; at most 7 bits are ever read ahead of it.
    mutating func skipToByte() {
        buffer = 0
        available = 0
    }

    mutating func word() throws(Gunzip.Failure) -> UInt32 {
        var value: UInt32 = 0
        for shift: UInt32 in [0, 8, 16, 24] { value |= UInt32(try bits(8)) << shift }
        return value
    }
}

/// A Huffman code in canonical form: how many codes there are of each length, and their symbols in order.
private struct HuffmanCode {
    private var counts = Array(repeating: 0, count: 16)
    private var symbols: [Int]

    init(lengths: ArraySlice<Int>) throws(Gunzip.Failure) {
        for length in lengths { counts[length] += 1 }
        var left = 1
        for length in 1...15 {
            left = left * 2 - counts[length]
            if left < 0 { throw Gunzip.Failure(description: "the file is damaged: a code has too many words") }
        }
        var offsets = Array(repeating: 0, count: 16)
        for length in 1..<15 { offsets[length + 1] = offsets[length] + counts[length] }
        symbols = Array(repeating: 0, count: lengths.count)
        for (symbol, length) in lengths.enumerated() where length != 0 {
            symbols[offsets[length]] = symbol
            offsets[length] += 1
        }
    }

    func decode(_ reader: inout BitReader) throws(Gunzip.Failure) -> Int {
        var code = 0
        var first = 0
        var index = 0
        for length in 1...15 {
            code |= try reader.bits(1)
            let count = counts[length]
            if code - count < first { return symbols[index + code - first] }
            index += count
            first = (first + count) << 1
            code <<= 1
        }
        throw Gunzip.Failure(description: "the file is damaged: an unknown code word")
    }
}

/// The decoder of deflated data.
private struct Inflater {
    private static let lengthBase = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    private static let lengthBits = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    private static let distanceBase = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145,
        8193, 12_289, 16_385, 24_577,
    ]
    private static let distanceBits = [
        0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
    ]
    private static let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    let limit: Int

    func inflate(_ reader: inout BitReader, into output: inout [UInt8]) throws(Gunzip.Failure) {
        let begin = output.count
        var isLast = false
        while !isLast {
            isLast = try reader.bits(1) == 1
            switch try reader.bits(2) {
            case 0: try copyStored(&reader, into: &output)
            case 1:
                let lengths = (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 }
                let literals = try HuffmanCode(lengths: lengths[...])
                let distances = try HuffmanCode(lengths: Array(repeating: 5, count: 30)[...])
                try copyCoded(&reader, literals, distances, into: &output, begin: begin)
            case 2:
                let (literals, distances) = try readCodes(&reader)
                try copyCoded(&reader, literals, distances, into: &output, begin: begin)
            default: throw Gunzip.Failure(description: "the file is damaged: an unknown kind of block")
            }
        }
    }

    private func copyStored(_ reader: inout BitReader, into output: inout [UInt8]) throws(Gunzip.Failure) {
        reader.skipToByte()
        let length = try reader.bits(16)
        guard try reader.bits(16) == length ^ 0xffff, reader.position + length <= reader.bytes.count else {
            throw Gunzip.Failure(description: "the file is damaged: a stored block of the wrong length")
        }
        try check(output.count + length)
        output += reader.bytes[reader.position..<reader.position + length]
        reader.position += length
    }

    private func readCodes(_ reader: inout BitReader) throws(Gunzip.Failure) -> (HuffmanCode, HuffmanCode) {
        let literalCount = try reader.bits(5) + 257
        let distanceCount = try reader.bits(5) + 1
        let codeCount = try reader.bits(4) + 4
        var lengths = Array(repeating: 0, count: 19)
        for index in 0..<codeCount { lengths[Self.order[index]] = try reader.bits(3) }
        let code = try HuffmanCode(lengths: lengths[...])
        lengths = []
        while lengths.count < literalCount + distanceCount {
            let symbol = try code.decode(&reader)
            switch symbol {
            case 16:
                guard let last = lengths.last else {
                    throw Gunzip.Failure(description: "the file is damaged: a repeated length without one before it")
                }
                lengths += Array(repeating: last, count: 3 + (try reader.bits(2)))
            case 17: lengths += Array(repeating: 0, count: 3 + (try reader.bits(3)))
            case 18: lengths += Array(repeating: 0, count: 11 + (try reader.bits(7)))
            default: lengths.append(symbol)
            }
        }
        guard lengths.count == literalCount + distanceCount else {
            throw Gunzip.Failure(description: "the file is damaged: too many code lengths")
        }
        return (
            try HuffmanCode(lengths: lengths[..<literalCount]), try HuffmanCode(lengths: lengths[literalCount...])
        )
    }

    private func copyCoded(
        _ reader: inout BitReader,
        _ literals: HuffmanCode,
        _ distances: HuffmanCode,
        into output: inout [UInt8],
        begin: Int
    ) throws(Gunzip.Failure) {
        while true {
            let symbol = try literals.decode(&reader)
            if symbol < 256 {
                try check(output.count + 1)
                output.append(UInt8(symbol))
                continue
            }
            guard symbol > 256 else { return }
            guard symbol - 257 < Self.lengthBase.count else {
                throw Gunzip.Failure(description: "the file is damaged: an unknown length")
            }
            let length = Self.lengthBase[symbol - 257] + (try reader.bits(Self.lengthBits[symbol - 257]))
            let code = try distances.decode(&reader)
            guard code < Self.distanceBase.count else {
                throw Gunzip.Failure(description: "the file is damaged: an unknown distance")
            }
            let distance = Self.distanceBase[code] + (try reader.bits(Self.distanceBits[code]))
            guard distance <= output.count - begin else {
                throw Gunzip.Failure(description: "the file is damaged: a distance before its start")
            }
            try check(output.count + length)
            for _ in 0..<length { output.append(output[output.count - distance]) }
        }
    }

    private func check(_ size: Int) throws(Gunzip.Failure) {
        guard size <= limit else { throw Gunzip.Failure(description: "unpacked it is larger than \(limit) bytes") }
    }
}
