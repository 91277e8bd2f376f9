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
    /// | columns | what a row is |
    /// | --- | --- |
    /// | `count`, or a number without a header where `interval` is given | the requests in one interval, from the first on without gaps |
    /// | `count` and a time | the same; the interval is the step of the times, which is the same in all rows |
    /// | `rate_rps` and a time | the rate from this time on; all steps equal |
    /// | `time` (or `t_s`, `timestamp`, `arrival_time`, ...), or no header and no `interval` | one request |
    ///
    /// Times are seconds or RFC 3339, in UTC where they don't say their offset. The interval of counts without times is `interval`, or what the name says:
    /// `load.count60s.csv` has intervals of 60 s; else 1 s. For request times, `interval` is the recording's resolution:
    /// requests are spread at random inside it.
    /// - Throws: what isn't understood, with its line; a trace without a request or of more than 400 days.
    public init(name: String, csv file: [UInt8], interval: Double? = nil) throws(TraceError) {
        var bytes = file
        if Gunzip.looksPacked(file) {
            do { bytes = try Gunzip.unpack(file) } catch { throw TraceError(description: "\(name): \(error)") }
        }
        if let interval, !Self.isWidth(interval) {
            throw TraceError(description: "\(name): an interval of \(interval) s isn't between 0.000001 and 86400")
        }
        var table = CSVTable(bytes)
        let first: CSVTable.Row?
        do { first = try table.next() } catch { throw TraceError(description: "\(name), \(error)") }
        let hasHeader = first.map { TraceRows.time($0.fields.first ?? "") == nil } ?? false
        var columns: TraceColumns = interval == nil ? .times(0) : .counts(0, times: nil)
        if hasHeader, let first {
            do { columns = try TraceColumns(header: first.fields) } catch {
                throw TraceError(description: "\(name), line \(table.line): \(error)")
            }
        }
        var rows = TraceRows(name: name, table: table, columns: columns, header: first, isHeader: hasHeader)
        self = try Self.read(&rows, columns, name: name, interval: interval)
        guard requests > 0 else { throw TraceError(description: "\(name): no request in it") }
        guard seconds <= 400 * 86_400 else {
            throw TraceError(description: "\(name): longer than 400 days; are the times in seconds?")
        }
    }

    private static func read(
        _ rows: inout TraceRows,
        _ columns: TraceColumns,
        name: String,
        interval: Double?
    ) throws(TraceError) -> ArrivalTrace {
        switch columns {
        case .times(let column):
            var times: [Double] = []
            while let row = try rows.next() { times.append(try rows.time(row, column)) }
            times.sort()
            let origin = times.first ?? 0
            return ArrivalTrace(name: name, rows: .times(times.map { $0 - origin }), binSeconds: interval ?? 0)
        case .counts(let column, let times):
            var counts: [Double] = []
            var steps = TraceSteps(column: times)
            while let row = try rows.next() {
                try steps.add(row, rows)
                counts.append(try rows.number(row, column))
            }
            var width = interval
            if times != nil { width = try steps.width(name: name, interval: interval) }
            if width == nil { width = try binSeconds(in: name) }
            return ArrivalTrace(name: name, rows: .counts(counts), binSeconds: width ?? 1)
        case .rates(let column, let times, let variation):
            var rates: [Double] = []
            var steps = TraceSteps(column: times)
            var sum = 0.0
            while let row = try rows.next() {
                try steps.add(row, rows)
                rates.append(try rows.number(row, column))
                if let variation { sum += try rows.number(row, variation) }
            }
            let width = try steps.width(name: name, interval: interval)
            let mean = variation == nil ? 1 : max(0.1, min(100, sum / Double(max(1, rates.count))))
            return ArrivalTrace(name: name, rows: .rates(rates, variation: mean), binSeconds: width)
        }
    }

    /// 60 of `x.count60s.csv.gz`; `nil` where the name says nothing.
    private static func binSeconds(in name: String) throws(TraceError) -> Double? {
        for part in name.split(separator: ".") where part.hasPrefix("count") && part.hasSuffix("s") {
            guard let width = Double(part.dropFirst(5).dropLast()) else { continue }
            guard isWidth(width) else {
                throw TraceError(
                    description:
                        "\(name): the interval that the name says, \(part), isn't between 0.000001 and 86400 s; "
                        + "rename the file or say the interval"
                )
            }
            return width
        }
        return nil
    }

    /// Whether an interval may have this length in seconds: of the simulation's microsecond or more, and a day at most.
    static func isWidth(_ seconds: Double) -> Bool { seconds >= 1e-6 && seconds <= 86_400 }
}
