// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Fingerprints of JSON values: 32 hexadecimal digits.
///
/// Two FNV-1a sums of 64 bits: it tells a model's own renderings apart and guards against nobody.
enum Fingerprint {
    /// The fingerprint of a value; members are sorted, so their order doesn't count.
    static func of(_ value: JSONValue) -> String {
        let bytes = value.encoded()
        // The offset basis and the prime of FNV-1a with 64 bits. Each step waits for the one before: the two sums, one from the front
        // and one from the back, are made side by side.
        var (front, back): (UInt64, UInt64) = (0xcbf2_9ce4_8422_2325, 0xcbf2_9ce4_8422_2325)
        let prime: UInt64 = 0x100_0000_01b3
        for index in bytes.indices {
            front = (front ^ UInt64(bytes[index])) &* prime
            back = (back ^ UInt64(bytes[bytes.count - 1 - index])) &* prime
        }
        return digits(front) + digits(back)
    }

    private static func digits(_ sum: UInt64) -> String {
        let digits = String(sum, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
