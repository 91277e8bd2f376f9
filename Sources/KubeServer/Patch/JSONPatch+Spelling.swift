// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension JSONPatch {
    /// The operations, by their index, with a number that isn't written as the API server writes it: `1.50`, `1e3`, `-0`.
    ///
    /// `body` is a JSON text that was read already. The API server's library compares numbers by their texts, and what
    /// is stored has the server's: a `test` with such a number fails, whatever there is.
    public static func respelled(in body: [UInt8]) -> Set<Int> {
        var found: Set<Int> = []
        var (place, depth, operation) = (0, 0, 0)
        while place < body.count {
            let start = place
            place += 1
            switch body[start] {
            case UInt8(ascii: "\""):
                while place < body.count, body[place] != UInt8(ascii: "\"") {
                    place += body[place] == UInt8(ascii: "\\") ? 2 : 1
                }
                place += 1
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            case UInt8(ascii: ",") where depth == 1: operation += 1
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                while place < body.count, isPartOfNumber(body[place]) { place += 1 }
                let text = String(decoding: body[start..<place], as: UTF8.self)
                if let number = try? JSONValue(parsing: text), GoWording.number(number) != text {
                    found.insert(operation)
                }
            default: break
            }
        }
        return found
    }

    private static func isPartOfNumber(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }
}
