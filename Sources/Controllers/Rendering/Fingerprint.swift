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
        return sum(bytes) + sum(bytes.reversed())
    }

    private static func sum(_ bytes: some Sequence<UInt8>) -> String {
        // The offset basis and the prime of FNV-1a with 64 bits.
        var sum: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let digits = String(sum, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
