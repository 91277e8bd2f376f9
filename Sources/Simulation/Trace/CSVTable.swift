// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The rows of a CSV file, one after the other. Quotes around a field are dropped, and between them a comma or a line break
/// separates nothing (RFC 4180); empty lines are skipped; a byte order mark at the beginning means nothing.
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
    /// The line on which the row that was read last begins, from 1.
    private(set) var line = 0
    private var nextLine = 1

    /// A table at its beginning.
    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
    }

    /// The next row, its first `wanted` fields as text; `nil` at the end.
    /// - Throws: when a quote isn't closed, with its line.
    mutating func next(wanted: Int = 256) throws(TraceError) -> Row? {
        while position < bytes.count {
            line = nextLine
            var row = Row(fields: [], count: 0)
            var index = 0
            var isLast = false
            while !isLast {
                let start = position
                isLast = try skipField()
                let field = Self.trimmed(bytes[start..<position])
                position += 1
                index += 1
                if index <= wanted { row.fields.append(String(decoding: field, as: UTF8.self)) }
                if !field.isEmpty { row.count = index }
            }
            nextLine += 1
            if index > 1 || row.count > 0 { return row }
        }
        return nil
    }

    /// Goes on to the comma or the line break that ends a field, and answers whether the row ends there too. A quote counts
    /// where a field begins with one.
    private mutating func skipField() throws(TraceError) -> Bool {
        var opened: Int?
        var isQuoted = false
        var isBlank = true
        while position < bytes.count {
            let byte = bytes[position]
            if byte == 34, isBlank || opened != nil {
                isQuoted.toggle()
                opened = opened ?? nextLine
            }
            if !isQuoted, byte == 10 || byte == 44 { return byte == 10 }
            if byte == 10 { nextLine += 1 }
            if byte != 32 { isBlank = false }
            position += 1
        }
        guard let opened, isQuoted else { return true }
        throw TraceError(description: "line \(opened): a quote is opened and never closed; close it or take it out")
    }

    private static func trimmed(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let kept = field.drop { $0 == 32 || $0 == 34 || $0 == 13 }
        let end = kept.lastIndex { $0 != 32 && $0 != 34 && $0 != 13 } ?? kept.startIndex - 1
        return kept[kept.startIndex..<end + 1]
    }
}
