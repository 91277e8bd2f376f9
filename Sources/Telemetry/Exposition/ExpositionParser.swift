// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Reads a metrics page as its bytes arrive, in chunks of any size.
///
/// Every line is checked; only what `selection` names is kept. A line costs one pass over its bytes and, where it isn't
/// kept, no allocation. It accepts what a Prometheus server accepts, with these differences, each on the safe side:
/// - a page whose last line has no end was cut off, and is refused (Prometheus reads the number before the cut);
/// - a label that occurs twice is refused at once (Prometheus refuses it when it stores the sample);
/// - an unknown escape in a quoted name is refused.
///
/// As a Prometheus server, it looks at lines, not at families: a second help text or a bucket below zero doesn't spoil a page.
/// What is contradictory in a wanted family is found when its signal is read.
public struct ExpositionParser: Sendable {
    /// What was read so far.
    public private(set) var page = MetricsPage()

    /// The format that is read.
    let format: ExpositionFormat
    /// The bounds.
    let limits: ExpositionLimits
    /// What is kept.
    let selection: MetricSelection
    /// The line that is being read, from 1.
    var line = 1
    /// Whether the end mark of OpenMetrics was read.
    var isAtEnd = false
    /// The labels of the sample that is being read, at their places in the chunk.
    var scratch: [MetricsPage.LabelRange] = []
    /// The labels of the last sample in the chunk that had any, since the next one mostly has the same but for one.
    var labelsBefore: [MetricsPage.LabelRange] = []
    /// Where the last sample's name is in the chunk, since the next one mostly has the same; `nil` at the chunk's beginning,
    /// and behind a name in quotes.
    private var lastName: Range<Int>?
    /// Whether the last name has a backslash.
    private var isLastEscaped = false
    /// Whether samples with the last name are kept.
    private var isKept = false
    /// Whether the last name isn't in the page yet.
    private var isNewName = true
    /// The name of the last family with a type.
    private var lastFamily: [UInt8] = []
    /// Where the last family's name without quotes is in a comment of the chunk, since the next comment mostly has the same, and
    /// the names of samples begin with it; `nil` at the chunk's beginning.
    var lastPlainFamily: Range<Int>?
    /// The beginning of a line whose end hasn't arrived.
    private var carry: [UInt8] = []
    private var received = 0

    /// A parser at the beginning of a page.
    public init(
        format: ExpositionFormat = .prometheusText,
        limits: ExpositionLimits = ExpositionLimits(),
        selection: MetricSelection = .everything
    ) {
        self.format = format
        self.limits = limits
        self.selection = selection
    }

    /// Reads a whole page.
    /// - Throws: what is wrong, with the line.
    public static func parse(
        _ bytes: [UInt8],
        format: ExpositionFormat = .prometheusText,
        limits: ExpositionLimits = ExpositionLimits(),
        selection: MetricSelection = .everything
    ) throws(ExpositionError) -> MetricsPage {
        var parser = ExpositionParser(format: format, limits: limits, selection: selection)
        try parser.feed(bytes)
        return try parser.finish()
    }

    /// Reads the next bytes of the page. After an error the page is lost: don't feed it again.
    public mutating func feed(_ chunk: [UInt8]) throws(ExpositionError) {
        received += chunk.count
        guard received <= limits.bytes else {
            throw error("the page is larger than the limit of \(limits.bytes) bytes")
        }
        var start = 0
        if !carry.isEmpty {
            guard let feed = chunk.firstIndex(of: ExpositionBytes.lineFeed) else { return try keep(chunk[...]) }
            start = feed + 1
            carry += chunk[..<start]
            let whole = carry
            carry.removeAll(keepingCapacity: true)
            try lines(whole, 0, whole.count)
        }
        guard let last = chunk[start...].lastIndex(of: ExpositionBytes.lineFeed) else {
            return try keep(chunk[start...])
        }
        try lines(chunk, start, last + 1)
        try keep(chunk[(last + 1)...])
    }

    /// Says that the page is whole, and answers it.
    public mutating func finish() throws(ExpositionError) -> MetricsPage {
        if !carry.isEmpty {
            let whole = carry + [ExpositionBytes.lineFeed]
            carry.removeAll()
            let last = line
            try lines(whole, 0, whole.count)
            guard isAtEnd else { throw ExpositionError(line: last, message: "unexpected end of input stream") }
        }
        guard format == .prometheusText || isAtEnd else { throw error("data does not end with # EOF") }
        return page
    }

    /// An error in the current line.
    func error(_ message: String) -> ExpositionError { ExpositionError(line: line, message: message) }

    private mutating func keep(_ rest: ArraySlice<UInt8>) throws(ExpositionError) {
        guard carry.count + rest.count <= limits.lineBytes else {
            throw error("the line is longer than the limit of \(limits.lineBytes) bytes")
        }
        carry += rest
    }

    /// Reads whole lines: the last byte is a line feed.
    private mutating func lines(_ chunk: [UInt8], _ start: Int, _ end: Int) throws(ExpositionError) {
        let bytes = chunk.span
        let isText = format == .prometheusText
        var position = start
        lastName = nil
        lastPlainFamily = nil
        scratch.removeAll(keepingCapacity: true)
        labelsBefore.removeAll(keepingCapacity: true)
        while position < end {
            guard !isAtEnd else { throw error("unexpected data after # EOF") }
            if isText { ExpositionBytes.skipBlanks(bytes, &position) }
            let first = bytes[position]
            if first == ExpositionBytes.hash {
                try comment(chunk, &position)
            } else if first == ExpositionBytes.lineFeed {
                guard isText else { throw error("a blank line isn't allowed") }
            } else {
                try sample(chunk, &position)
            }
            position += 1
            line += 1
        }
    }

    // MARK: Samples

    /// Reads a sample up to its line feed, and keeps it where it is wanted.
    private mutating func sample(_ chunk: [UInt8], _ position: inout Int) throws(ExpositionError) {
        let bytes = chunk.span
        let start = position
        var name = start..<start
        var isQuoted = false
        if bytes[start] != ExpositionBytes.braceOpen {
            if let lastName, isSame(lastName, bytes, start) {
                position += lastName.count
            } else {
                position = try endOfName(bytes, start)
                note(name: chunk, start..<position, isQuoted: false)
            }
            name = start..<position
            if format == .prometheusText { ExpositionBytes.skipBlanks(bytes, &position) }
        }
        if !scratch.isEmpty {
            swap(&scratch, &labelsBefore)
            scratch.removeAll(keepingCapacity: true)
        }
        if bytes[position] == ExpositionBytes.braceOpen {
            isQuoted = try labels(bytes, &position, name: &name)
        }
        guard !name.isEmpty else { throw error("invalid metric name") }
        if isQuoted { note(name: chunk, name, isQuoted: true) }
        lastName = isQuoted ? nil : name
        let value = try self.value(bytes, &position)
        let timestamp = try self.timestamp(bytes, &position)
        guard bytes[position] == ExpositionBytes.lineFeed else { throw error("spurious string after timestamp") }
        if isKept { try keep(chunk, start..<position, name: name, value: value, timestamp: timestamp) }
    }

    private mutating func keep(
        _ chunk: [UInt8],
        _ line: Range<Int>,
        name: Range<Int>,
        value: Double,
        timestamp: Int64?
    ) throws(ExpositionError) {
        guard page.rows.count < limits.samples else { throw error("more than \(limits.samples) samples") }
        let shift = page.bytes.count - line.lowerBound
        page.bytes.append(contentsOf: chunk[line])
        if isNewName {
            isNewName = false
            page.names.append(
                MetricsPage.TextRange(
                    start: UInt32(truncatingIfNeeded: name.lowerBound + shift),
                    end: UInt32(truncatingIfNeeded: name.upperBound + shift),
                    isEscaped: isLastEscaped
                )
            )
        }
        page.rows.append(
            MetricsPage.Row(
                name: UInt32(truncatingIfNeeded: page.names.count - 1),
                firstLabel: UInt32(truncatingIfNeeded: page.labels.count),
                labelCount: UInt32(truncatingIfNeeded: scratch.count),
                hasTimestamp: timestamp != nil,
                timestamp: timestamp ?? 0,
                value: value
            )
        )
        for label in scratch { page.labels.append(label.moved(by: shift)) }
    }

    /// Whether the name that begins at `start` is the one at `name`.
    @inline(__always)
    private func isSame(_ name: Range<Int>, _ bytes: Span<UInt8>, _ start: Int) -> Bool {
        ByteScan.isSame(bytes, name.lowerBound, start, count: name.count)
            && !ExpositionBytes.isNameByte(bytes[start + name.count])
    }

    /// Where the name ends that begins at `start`.
    @inline(__always)
    private func endOfName(_ bytes: Span<UInt8>, _ start: Int) throws(ExpositionError) -> Int {
        var end = start
        if let family = lastPlainFamily, ByteScan.isSame(bytes, family.lowerBound, start, count: family.count) {
            end += family.count
        }
        end = ByteScan.endOfName(bytes, from: end)
        guard end > start, !ExpositionBytes.isDigit(bytes[start]) else { throw error("invalid metric name") }
        return end
    }

    /// Decides whether samples with this name are kept, and lists the name among what the page offers.
    private mutating func note(name chunk: [UInt8], _ name: Range<Int>, isQuoted: Bool) {
        let bytes = chunk.span
        isNewName = true
        isLastEscaped = isQuoted && chunk[name].contains(ExpositionBytes.backslash)
        if !isInFamily(bytes, name) { page.offered.append(chunk[name]) }
        isKept =
            isLastEscaped
            ? selection.contains(MetricsPage.text(chunk[name], isEscaped: true))
            : selection.contains(bytes, name.lowerBound, name.upperBound)
    }

    /// Whether a name begins with that of the family whose type was read last.
    private func isInFamily(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Bool {
        guard !lastFamily.isEmpty, lastFamily.count <= name.count else { return false }
        return ByteScan.isSame(lastFamily.span, 0, bytes, name.lowerBound, count: lastFamily.count)
    }

    // MARK: Families

    /// Notes that the samples that follow belong to this family.
    mutating func begin(_ chunk: [UInt8], family: MetricsPage.TextRange) {
        let name = chunk[Int(family.start)..<Int(family.end)]
        lastFamily.removeAll(keepingCapacity: true)
        lastFamily.append(contentsOf: name)
        page.offered.append(name)
    }

    /// Keeps what a line says of a family. The text of a fact is at its place in the chunk.
    mutating func keep(_ chunk: [UInt8], family: MetricsPage.TextRange, fact: MetricsPage.Fact) {
        func kept(_ range: MetricsPage.TextRange, _ page: inout MetricsPage) -> MetricsPage.TextRange {
            let start = page.bytes.count
            page.bytes.append(contentsOf: chunk[Int(range.start)..<Int(range.end)])
            return MetricsPage.TextRange(
                start: UInt32(truncatingIfNeeded: start),
                end: UInt32(truncatingIfNeeded: page.bytes.count),
                isEscaped: range.isEscaped
            )
        }
        guard page.familyRows.count < limits.samples else { return }
        let name = kept(family, &page)
        let fact: MetricsPage.Fact =
            switch fact {
            case .type: fact
            case .help(let range): .help(kept(range, &page))
            case .unit(let range): .unit(kept(range, &page))
            }
        page.familyRows.append(MetricsPage.FamilyRow(name: name, fact: fact))
    }
}

extension MetricsPage.LabelRange {
    /// The same range at another place.
    @inline(__always)
    func moved(by shift: Int) -> Self {
        let shift = Int32(truncatingIfNeeded: shift)
        func moved(_ position: UInt32) -> UInt32 { UInt32(bitPattern: Int32(bitPattern: position) &+ shift) }
        return Self(
            nameStart: moved(nameStart),
            nameEnd: moved(nameEnd),
            valueStart: moved(valueStart),
            valueEnd: moved(valueEnd),
            isEscaped: isEscaped
        )
    }
}
