// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Short, stable hashes that may stand in names and labels.
enum SafeHash {
    private static let alphabet = Array("bcdfghjklmnpqrstvwxz2456789")

    /// `length` characters (at most 13) of a 64-bit FNV-1a hash of `text`.
    static func text(_ text: String, length: Int = 9) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        hash ^= hash >> 32
        var characters: [Character] = []
        for _ in 0..<min(13, max(1, length)) {
            characters.append(alphabet[Int(hash % UInt64(alphabet.count))])
            hash /= UInt64(alphabet.count)
        }
        return String(characters)
    }
}
