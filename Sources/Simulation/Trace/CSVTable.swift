// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The rows of a CSV file, one after the other. Quotes around a field are dropped, and a comma between quotes separates
/// nothing; empty lines are skipped; a byte order mark at the beginning means nothing.
struct CSVTable {
    /// A row.
    struct Row {
        /// The first fields, as many as were asked for.
        var fields: [String]
        /// How many fields there are, up to the last that isn't empty.
        var count: Int
    }

    private let bytes: [UInt8]
    private var position = 0
    /// The line of the row that was read last, from 1.
    private(set) var line = 0

    /// A table at its beginning.
    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
    }

    /// The next row, its first `wanted` fields as text; `nil` at the end.
    mutating func next(wanted: Int = 256) -> Row? {
        while position < bytes.count {
            line += 1
            var row = Row(fields: [], count: 0)
            var index = 0
            var start = position
            var isQuoted = false
            while true {
                let byte = position < bytes.count ? bytes[position] : 10
                if byte == 34 { isQuoted.toggle() }
                if byte == 10 || byte == 44 && !isQuoted {
                    let field = Self.trimmed(bytes[start..<position])
                    index += 1
                    if index <= wanted { row.fields.append(String(decoding: field, as: UTF8.self)) }
                    if !field.isEmpty { row.count = index }
                    start = position + 1
                }
                position += 1
                if byte == 10 { break }
            }
            if index > 1 || row.count > 0 { return row }
        }
        return nil
    }

    private static func trimmed(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let kept = field.drop { $0 == 32 || $0 == 34 || $0 == 13 }
        let end = kept.lastIndex { $0 != 32 && $0 != 34 && $0 != 13 } ?? kept.startIndex - 1
        return kept[kept.startIndex..<end + 1]
    }
}
