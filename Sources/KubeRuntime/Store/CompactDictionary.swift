// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Bytes that objects of one kind have in common; objects are stored as what differs from them.
///
/// Packing is Lempel-Ziv with a window of the dictionary and of what was packed before. An object of a fleet differs from
/// its neighbour in names, times and numbers only, and shrinks to a small part; unpacking copies long runs. A sequence is:
///
///     literal count, literals, match length - 4, source, literal count, …
///
/// The source is even for the dictionary (the distance from where the last match would have gone on, zigzag) and odd for
/// the object itself (how far back). The first number is the length of the unpacked bytes.
final class CompactDictionary: Sendable {
    /// The most bytes of a dictionary; positions fit 16 bits.
    static let limit = 48 * 1024
    /// The shortest run that is worth a reference.
    private static let shortestMatch = 5
    /// How many candidates of one hash are tried.
    private static let tries = 8
    /// A run that is long enough to stop looking for a longer one.
    private static let longEnough = 32
    private static let hashBits: UInt32 = 12

    /// The common bytes.
    let bytes: [UInt8]
    /// The last position + 1 of each hash of four bytes.
    private let heads: [UInt16]
    /// The position + 1 before, with the same hash.
    private let chain: [UInt16]

    /// A dictionary of the first `limit` bytes.
    init(_ bytes: [UInt8] = []) {
        let bytes = Array(bytes.prefix(Self.limit))
        var heads = [UInt16](repeating: 0, count: bytes.isEmpty ? 0 : 1 << Int(Self.hashBits))
        var chain = [UInt16](repeating: 0, count: bytes.count)
        if bytes.count >= 4 {
            for position in 0...bytes.count - 4 {
                let hash = Self.hash(bytes, position)
                chain[position] = heads[hash]
                heads[hash] = UInt16(position + 1)
            }
        }
        self.bytes = bytes
        self.heads = heads
        self.chain = chain
    }

    /// A dictionary that also holds `other`; what was packed with this one is not readable with it.
    func adding(_ other: [UInt8]) -> CompactDictionary { CompactDictionary(bytes + other) }

    // MARK: Packing

    private struct Match {
        var length = 0
        var position = 0
        var isOwn = false
    }

    /// Packs `input`.
    func pack(_ input: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(input.count / 4 + 16)
        output.appendVarint(UInt64(input.count))
        var own = [UInt32](repeating: 0, count: 1 << Int(Self.hashBits))
        var position = 0
        var literals = 0
        var expected = 0
        while position + 4 <= input.count {
            let hash = Self.hash(input, position)
            let aligned = expected + position - literals
            let match = longestMatch(input, position, hash, aligned: aligned, own: own[hash])
            own[hash] = UInt32(truncatingIfNeeded: position + 1)
            guard match.length >= Self.shortestMatch else {
                position += 1
                continue
            }
            output.appendVarint(UInt64(position - literals))
            output.append(contentsOf: input[literals..<position])
            output.appendVarint(UInt64(match.length - 4))
            if match.isOwn {
                output.appendVarint(UInt64(position - match.position) << 1 | 1)
                expected = aligned + match.length
            } else {
                let delta = Int64(match.position - aligned)
                output.appendVarint(UInt64(bitPattern: delta << 1 ^ delta >> 63) << 1)
                expected = match.position + match.length
            }
            position += match.length
            literals = position
        }
        output.appendVarint(UInt64(input.count - literals))
        output.append(contentsOf: input[literals...])
        // An array of a whole array's slice would keep the room that was reserved.
        var exact: [UInt8] = []
        exact.reserveCapacity(output.count)
        exact.append(contentsOf: output)
        return exact
    }

    private func longestMatch(_ input: [UInt8], _ position: Int, _ hash: Int, aligned: Int, own: UInt32) -> Match {
        var best = Match()
        if aligned >= 0, aligned < bytes.count {
            best = Match(length: Self.common(bytes, aligned, input, position), position: aligned)
        }
        if best.length < Self.longEnough, !heads.isEmpty {
            var candidate = Int(heads[hash])
            var tries = Self.tries
            while candidate > 0, tries > 0, best.length < Self.longEnough {
                let length = Self.common(bytes, candidate - 1, input, position)
                if length > best.length { best = Match(length: length, position: candidate - 1) }
                candidate = Int(chain[candidate - 1])
                tries -= 1
            }
        }
        if best.length < Self.longEnough, own > 0 {
            let length = Self.common(input, Int(own) - 1, input, position)
            if length > best.length { best = Match(length: length, position: Int(own) - 1, isOwn: true) }
        }
        return best
    }

    /// How many bytes are the same.
    private static func common(_ left: [UInt8], _ leftStart: Int, _ right: [UInt8], _ rightStart: Int) -> Int {
        let most = min(left.count - leftStart, right.count - rightStart)
        var length = 0
        while length < most, left[leftStart + length] == right[rightStart + length] { length += 1 }
        return length
    }

    private static func hash(_ bytes: [UInt8], _ position: Int) -> Int {
        let low = UInt32(bytes[position]) | UInt32(bytes[position + 1]) << 8
        let word = low | UInt32(bytes[position + 2]) << 16 | UInt32(bytes[position + 3]) << 24
        // Knuth's multiplicative hashing: 2^32 divided by the golden ratio.
        return Int((word &* 2_654_435_761) >> (32 - hashBits))
    }

    // MARK: Unpacking

    /// Unpacks what this dictionary packed. Total: bytes that are cut give a cut result.
    func unpack(_ packed: [UInt8]) -> [UInt8] {
        var position = 0
        let size = Int(min(packed.varint(at: &position), 1 << 30))
        var output: [UInt8] = []
        output.reserveCapacity(size)
        var expected = 0
        while position < packed.count {
            let literals = Int(min(packed.varint(at: &position), UInt64(packed.count - position)))
            output.append(contentsOf: packed[position..<position + literals])
            position += literals
            guard position < packed.count else { break }
            let length = Int(min(packed.varint(at: &position), 1 << 30)) + 4
            let source = packed.varint(at: &position)
            expected += literals
            if source & 1 == 1 {
                var from = output.count - Int(min(source >> 1, UInt64(output.count)))
                for _ in 0..<length where from < output.count {
                    output.append(output[from])
                    from += 1
                }
                expected += length
            } else {
                let zigzag = source >> 1
                let from = expected &+ Int(Int64(bitPattern: zigzag >> 1) ^ -Int64(bitPattern: zigzag & 1))
                guard from >= 0, from + length <= bytes.count else { break }
                output.append(contentsOf: bytes[from..<from + length])
                expected = from + length
            }
        }
        return output
    }
}
