// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// The rows of a trace after its header; numbers are read with the line in mind.
struct TraceRows {
    /// Seconds since 1970 stay below it until the year 5138; milliseconds since 1970 have been above it since 1973.
    private static let latest = 1e11
    private let name: String
    private var table: CSVTable
    private var pending: CSVTable.Row?
    private let wanted: Int
    /// How many columns a row has at most: as many as the header, or one where numbers without a header are counts; `nil` for
    /// times without a header.
    private let width: Int?
    private let isHeader: Bool

    /// The rows of `table`, of which `header` was read; it is a row like the others unless `isHeader`.
    init(name: String, table: CSVTable, columns: TraceColumns, header: CSVTable.Row?, isHeader: Bool) {
        self.name = name
        self.table = table
        wanted = columns.wanted
        pending = isHeader ? nil : header
        self.isHeader = isHeader
        if isHeader {
            // The fields are cut; the number of fields leaves out empty ones at the end.
            width = header.map { max($0.fields.count, $0.count) }
        } else if case .counts = columns {
            width = 1
        } else {
            width = nil
        }
    }

    /// The next row; `nil` at the end.
    /// - Throws: when it has more columns than the header, or than a count without a header: `3,000` isn't 3.
    mutating func next() throws(TraceError) -> [String]? {
        var next = pending.take()
        if next == nil { next = try nextOfTable() }
        guard let row = next else { return nil }
        if let width, row.count > width {
            let allowed = isHeader ? "the header has \(width)" : "counts without a header have \(width)"
            throw failure("\(row.count) columns where \(allowed); is there a comma in a number?")
        }
        return row.fields
    }

    private mutating func nextOfTable() throws(TraceError) -> CSVTable.Row? {
        do { return try table.next(wanted: wanted) } catch { throw TraceError(description: "\(name), \(error)") }
    }

    /// A number of 0 or more.
    func number(_ row: [String], _ column: Int) throws(TraceError) -> Double {
        guard column < row.count, let number = Double(row[column]), number.isFinite, number >= 0 else {
            throw failure("\(Self.shown(row, column)) isn't a number of 0 or more", column: column)
        }
        return number
    }

    /// A time in seconds.
    func time(_ row: [String], _ column: Int) throws(TraceError) -> Double {
        guard column < row.count, let time = Self.time(row[column]), time >= 0 else {
            throw failure("\(Self.shown(row, column)) isn't a number of 0 or more, or a time", column: column)
        }
        guard time < Self.latest || Double(row[column]) == nil else {
            throw failure(
                "\(Self.shown(row, column)) is too large for seconds; are these milliseconds? Divide them by 1000",
                column: column
            )
        }
        return time
    }

    /// What is wrong with the present row.
    func failure(_ reason: String, column: Int? = nil) -> TraceError {
        let place = column.map { ", column \($0 + 1)" } ?? ""
        return TraceError(description: "\(name), line \(table.line)\(place): \(reason)")
    }

    /// The seconds in `text`: a number, or an RFC 3339 time as seconds since 1970, in UTC where it doesn't say its offset.
    static func time(_ text: String) -> Double? {
        if let number = Double(text) { return number.isFinite ? number : nil }
        let time = text.split(separator: " ").joined(separator: "T")
        return (WallTime(rfc3339: time) ?? WallTime(rfc3339: time + "Z"))?.seconds
    }

    private static func shown(_ row: [String], _ column: Int) -> String {
        column < row.count ? "'\(TraceColumns.shown(row[column]))'" : "nothing"
    }
}

/// The times of intervals, each the same step after the one before.
struct TraceSteps {
    /// By how much a step may differ from the first one, as a share: recorders round.
    private static let tolerance = 0.01
    /// By how much the mean step may differ from whole seconds that it stands for, as a share.
    private static let roundingError = 0.001
    private let column: Int?
    private var first = 0.0
    private var last = 0.0
    private var step = 0.0
    private var count = 0

    /// Nothing yet; without a column there are no times to add.
    init(column: Int?) { self.column = column }

    /// Adds a row's time.
    mutating func add(_ row: [String], _ rows: TraceRows) throws(TraceError) {
        guard let column else { return }
        let time = try rows.time(row, column)
        count += 1
        defer { last = time }
        if count == 1 {
            first = time
            return
        }
        if count == 2 { step = time - last }
        guard ArrivalTrace.isWidth(step), abs(time - last - step) <= Self.tolerance * step else {
            let found = Decimal.text(time - last, 3)
            let usual = count == 2 ? "" : " where it goes on by \(Decimal.text(step, 3)) s before"
            throw rows.failure(
                "the time goes on by \(found) s\(usual); intervals need ascending times with equal steps of a microsecond to a day, "
                    + "and a row where nothing came"
            )
        }
    }

    /// The mean step in seconds; whole where it nearly is, so that counts of a second whose times jitter are replayed as they are.
    func width(name: String, interval: Double?) throws(TraceError) -> Double {
        guard count > 1 else {
            if let interval { return interval }
            throw TraceError(description: "\(name): intervals with times need at least two rows with ascending times")
        }
        let mean = (last - first) / Double(count - 1)
        if let interval, abs(interval - mean) > Self.tolerance * mean {
            throw TraceError(
                description:
                    "\(name): the interval is said to be \(Decimal.text(interval, 3)) s, but the times go on by "
                    + "\(Decimal.text(mean, 3)) s; leave the interval out"
            )
        }
        let whole = mean.rounded()
        return abs(mean - whole) <= Self.roundingError * mean ? whole : mean
    }
}
