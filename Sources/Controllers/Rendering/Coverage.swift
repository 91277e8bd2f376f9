// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Whether a live object already holds everything that would be applied.
///
/// Fields that only the live object has are somebody else's or defaults, and never differ. Entries of lists are found by
/// their key (`name`, `containerPort`, `port`, `uid`, `type`), so that an injected sidecar doesn't differ either.
enum Coverage {
    /// Whether `live` covers `wanted`.
    static func covers(_ live: JSONValue?, _ wanted: JSONValue) -> Bool {
        switch wanted {
        case .null: return live == nil || live == .null
        case .object(let members):
            if members.isEmpty { return true }
            return members.allSatisfy { covers(live?[$0.key], $0.value) }
        case .array(let items):
            let others = live?.array ?? []
            guard let key = mergeKey(of: items) else {
                return items.count == others.count && zip(others, items).allSatisfy { covers($0, $1) }
            }
            return items.allSatisfy { item in
                others.contains { $0[key] == item[key] && covers($0, item) }
            }
        case .string(let text):
            guard let other = live else { return text.isEmpty }
            if other == wanted { return true }
            guard let mine = amount(text) else { return false }
            return other.double == mine || other.string.flatMap(amount) == mine
        case .integer, .double:
            guard let live else { return false }
            return live.double == wanted.double || live.string.flatMap(amount) == wanted.double
        case .bool: return live == wanted || (live == nil && wanted == false)
        }
    }

    private static func mergeKey(of items: [JSONValue]) -> String? {
        guard let first = items.first, first.object != nil else { return nil }
        for key in ["name", "uid", "containerPort", "port", "mountPath"] where items.allSatisfy({ $0[key] != nil }) {
            return key
        }
        return nil
    }

    /// The number that a quantity means: the API server writes `0.5` as `500m` and `1024Mi` as `1Gi`.
    ///
    /// It is the one nearest to the decimal number, so that equal amounts are equal however they are written: `36m` is
    /// read as `36e-3`, which is 0.036, where 36 · 0.001 is another number. Powers of 2 multiply exactly.
    private static func amount(_ text: String) -> Double? {
        let digits = text.prefix { $0.isNumber || $0 == "." || $0 == "-" || $0 == "+" }
        let suffix = text.dropFirst(digits.count)
        guard !digits.isEmpty, let number = Double(digits) else { return nil }
        let decimal: [Substring: Int] = [
            "": 0, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
        ]
        if let exponent = decimal[suffix] { return Double("\(digits)e\(exponent)") }
        let binary: [Substring: Double] = [
            "Ki": 0x1p10, "Mi": 0x1p20, "Gi": 0x1p30, "Ti": 0x1p40, "Pi": 0x1p50, "Ei": 0x1p60,
        ]
        return binary[suffix].map { number * $0 }
    }
}
