// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// Why a trace can't be read, with the line.
public struct TraceError: Error, Equatable, CustomStringConvertible {
    /// What is wrong and what is allowed.
    public var description: String
}

extension ArrivalTrace {
    /// Reads a trace in CSV, gzipped or not.
    ///
    /// | first column | what a row is |
    /// | --- | --- |
    /// | `count`, or a number where `interval` is given | the requests in one interval, from the first on without gaps |
    /// | `t_s`, `timestamp`, `time` with a second column `rate_rps` | the rate from this time on; all steps equal |
    /// | anything else that holds seconds or RFC 3339 times | one request |
    ///
    /// The interval of counts is `interval`, or what the name says: `load.count60s.csv` has intervals of 60 s; else 1 s.
    /// For request times, `interval` is the recording's resolution: requests are spread at random inside it.
    public init(name: String, csv file: [UInt8], interval: Double? = nil) throws(TraceError) {
        var bytes = file
        if Gunzip.looksPacked(file) {
            do { bytes = try Gunzip.unpack(file) } catch { throw TraceError(description: "\(name): \(error)") }
        }
        if let interval, !(interval > 0 && interval <= 86_400) {
            throw TraceError(description: "\(name): an interval of \(interval) s isn't between 0 and 86400")
        }
        var table = CSVTable(bytes)
        let first = table.next() ?? []
        let header = Self.number(first.first ?? "") == nil ? first : []
        let kind = header.first?.lowercased() ?? ""
        var rows = RowReader(name: name, pending: header.isEmpty && !first.isEmpty ? first : nil)
        if kind == "count" || header.isEmpty && interval != nil {
            let width = interval ?? Self.binSeconds(in: name) ?? 1
            self.init(name: name, rows: .counts(try rows.numbers(&table)), binSeconds: width)
        } else if header.count > 1, header[1].lowercased() == "rate_rps" {
            self = try Self.rates(&rows, &table, name: name, hasVariation: header.count > 2 && header[2].contains("cv"))
        } else {
            var times = try rows.numbers(&table)
            times.sort()
            let origin = times.first ?? 0
            self.init(name: name, rows: .times(times.map { $0 - origin }), binSeconds: interval ?? 0)
        }
        guard requests > 0 else { throw TraceError(description: "\(name): no request in it") }
        guard seconds <= 400 * 86_400 else {
            throw TraceError(description: "\(name): longer than 400 days; are the times in seconds?")
        }
    }

    private static func rates(
        _ rows: inout RowReader,
        _ table: inout CSVTable,
        name: String,
        hasVariation: Bool
    ) throws(TraceError) -> ArrivalTrace {
        var times: [Double] = []
        var rates: [Double] = []
        var variation = 0.0
        while let row = rows.next(&table) {
            times.append(try rows.value(row, 0))
            rates.append(try rows.value(row, 1))
            if hasVariation { variation += try rows.value(row, 2) }
        }
        guard times.count > 1, times[1] > times[0] else {
            throw TraceError(description: "\(name): rates need at least two rows with ascending times")
        }
        let mean = hasVariation ? variation / Double(times.count) : 1
        return ArrivalTrace(name: name, rows: .rates(rates, variation: max(0.1, mean)), binSeconds: times[1] - times[0])
    }

    /// The number in `text`: seconds, or an RFC 3339 time as seconds since 1970.
    fileprivate static func number(_ text: String) -> Double? {
        if let number = Double(text) { return number.isFinite ? number : nil }
        return WallTime(rfc3339: text.split(separator: " ").joined(separator: "T"))?.seconds
    }

    /// 60 of `x.count60s.csv.gz`.
    private static func binSeconds(in name: String) -> Double? {
        for part in name.split(separator: ".") where part.hasPrefix("count") && part.hasSuffix("s") {
            return Double(part.dropFirst(5).dropLast())
        }
        return nil
    }

    /// The rows after the header, with their line numbers.
    private struct RowReader {
        let name: String
        var pending: [String]?
        var line = 1

        mutating func next(_ table: inout CSVTable) -> [String]? {
            if let row = pending {
                pending = nil
                return row
            }
            line += 1
            return table.next()
        }

        func value(_ row: [String], _ column: Int) throws(TraceError) -> Double {
            guard column < row.count, let number = ArrivalTrace.number(row[column]), number >= 0 else {
                let text = column < row.count ? "'\(row[column].prefix(40))'" : "nothing"
                throw TraceError(
                    description:
                        "\(name), line \(line), column \(column + 1): \(text) isn't a number of 0 or more, or a time"
                )
            }
            return number
        }

        mutating func numbers(_ table: inout CSVTable) throws(TraceError) -> [Double] {
            var numbers: [Double] = []
            while let row = next(&table) { numbers.append(try value(row, 0)) }
            return numbers
        }
    }
}

/// The rows of a CSV file; of each, the first four columns. Quotes around a field are dropped; empty lines are skipped.
private struct CSVTable {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func next() -> [String]? {
        while position < bytes.count {
            var end = position
            while end < bytes.count, bytes[end] != 10 { end += 1 }
            let line = bytes[position..<end]
            position = end + 1
            let fields = line.split(separator: 44, maxSplits: 4, omittingEmptySubsequences: false).prefix(4).map {
                field in
                let kept = field.drop { $0 == 32 || $0 == 34 }
                let end = kept.lastIndex { $0 != 32 && $0 != 34 && $0 != 13 } ?? kept.startIndex - 1
                return String(decoding: kept[kept.startIndex..<end + 1], as: UTF8.self)
            }
            if fields.count > 1 || fields.first?.isEmpty == false { return fields }
        }
        return nil
    }
}
