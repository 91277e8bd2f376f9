// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The parts of a sample's line: labels, value, time, exemplar.
extension ExpositionParser {
    /// Reads `{...}` into `scratch`; answers whether the metric's name was in it.
    mutating func labels(
        _ bytes: Span<UInt8>,
        _ position: inout Int,
        name: inout Range<Int>,
        isExemplar: Bool = false
    ) throws(ExpositionError) -> Bool {
        let isText = format == .prometheusText
        var isNamed = false
        position += 1
        while true {
            if isText { ExpositionBytes.skipBlanks(bytes, &position) }
            if bytes[position] == ExpositionBytes.braceClose { break }
            if let same = sameLabel(bytes, position) {
                position = Int(same.valueEnd) + 1
                try append(same, bytes, metric: name)
                try separator(bytes, &position)
                continue
            }
            let isQuoted = bytes[position] == ExpositionBytes.quote
            let label = try labelName(bytes, &position, metric: name)
            if isText { ExpositionBytes.skipBlanks(bytes, &position) }
            let next = bytes[position]
            if isQuoted, !isExemplar, next == ExpositionBytes.comma || next == ExpositionBytes.braceClose {
                guard name.isEmpty else {
                    throw error("multiple metric names for metric \"\(text(bytes, name))\"")
                }
                guard !label.isEmpty else { throw error("invalid metric name") }
                name = label
                isNamed = true
            } else {
                try labelValue(bytes, &position, label: label, metric: name)
            }
            try separator(bytes, &position)
        }
        position += 1
        return isNamed
    }

    /// The next label, where the bytes from `position` on are those of the last sample's label at its place: these need no
    /// other look. One with a backslash or with a name in quotes is always read anew.
    @inline(__always)
    private func sameLabel(_ bytes: Span<UInt8>, _ position: Int) -> MetricsPage.LabelRange? {
        guard scratch.count < labelsBefore.count else { return nil }
        let before = labelsBefore[scratch.count]
        let start = Int(before.nameStart)
        guard !before.isEscaped, ByteScan.isSame(bytes, start, position, count: Int(before.valueEnd) + 1 - start)
        else { return nil }
        return before.moved(by: position - start)
    }

    /// Moves behind the comma that ends a label; a closing brace stays.
    @inline(__always)
    private func separator(_ bytes: Span<UInt8>, _ position: inout Int) throws(ExpositionError) {
        if format == .prometheusText { ExpositionBytes.skipBlanks(bytes, &position) }
        if bytes[position] == ExpositionBytes.comma {
            position += 1
        } else if bytes[position] != ExpositionBytes.braceClose {
            throw endOfLabel(bytes, position)
        }
    }

    @inline(__always)
    private func labelName(
        _ bytes: Span<UInt8>,
        _ position: inout Int,
        metric: Range<Int>
    ) throws(ExpositionError) -> Range<Int> {
        let start = position
        if bytes[start] == ExpositionBytes.quote {
            _ = try quoted(bytes, &position, "metric name", refusesUnknownEscapes: true)
            return start + 1..<position - 1
        }
        while ExpositionBytes.isLabelByte(bytes[position]) { position += 1 }
        guard position > start, !ExpositionBytes.isDigit(bytes[start]) else {
            throw error("invalid label name for metric \"\(text(bytes, metric))\"")
        }
        return start..<position
    }

    @inline(__always)
    private mutating func labelValue(
        _ bytes: Span<UInt8>,
        _ position: inout Int,
        label: Range<Int>,
        metric: Range<Int>
    ) throws(ExpositionError) {
        guard bytes[position] == ExpositionBytes.equals else {
            throw error(
                "expected '=' after label name, found '\(ExpositionBytes.shown(bytes, position, position + 1))'"
            )
        }
        position += 1
        if format == .prometheusText { ExpositionBytes.skipBlanks(bytes, &position) }
        guard bytes[position] == ExpositionBytes.quote else {
            let found = ExpositionBytes.shown(bytes, position, position + 1)
            throw error("expected '\"' at start of label value, found '\(found)'")
        }
        let start = position + 1
        let isEscaped = try quoted(bytes, &position, "label value", refusesUnknownEscapes: false)
        guard !label.isEmpty, !isReserved(bytes, label) else {
            throw error("invalid label name for metric \"\(text(bytes, metric))\"")
        }
        let range = MetricsPage.LabelRange(
            nameStart: UInt32(truncatingIfNeeded: label.lowerBound),
            nameEnd: UInt32(truncatingIfNeeded: label.upperBound),
            valueStart: UInt32(truncatingIfNeeded: start),
            valueEnd: UInt32(truncatingIfNeeded: position - 1),
            isEscaped: isEscaped || bytes[label.lowerBound - 1] == ExpositionBytes.quote
        )
        try append(range, bytes, metric: metric)
    }

    /// Adds a label to the line's.
    @inline(__always)
    private mutating func append(
        _ label: MetricsPage.LabelRange,
        _ bytes: Span<UInt8>,
        metric: Range<Int>
    ) throws(ExpositionError) {
        guard scratch.count < limits.labels else { throw error("more than \(limits.labels) labels") }
        let (start, count) = (Int(label.nameStart), Int(label.nameEnd - label.nameStart))
        for other in scratch where Int(other.nameEnd - other.nameStart) == count {
            guard !ByteScan.isSame(bytes, Int(other.nameStart), start, count: count) else {
                throw error("duplicate label names for metric \"\(text(bytes, metric))\"")
            }
        }
        scratch.append(label)
    }

    /// Whether the label is `__name__`, which Prometheus gives to the metric's name.
    private func isReserved(_ bytes: Span<UInt8>, _ label: Range<Int>) -> Bool {
        label.count == 8 && bytes[label.lowerBound] == UInt8(ascii: "_") && text(bytes, label) == "__name__"
    }

    /// Moves from a quote behind the closing one; answers whether there was a backslash.
    @inline(__always)
    func quoted(
        _ bytes: Span<UInt8>,
        _ position: inout Int,
        _ what: StaticString,
        refusesUnknownEscapes: Bool
    ) throws(ExpositionError) -> Bool {
        position += 1
        let start = position
        var isEscaped = false
        var union: UInt8 = 0
        while true {
            let byte = bytes[position]
            if byte == ExpositionBytes.quote { break }
            if byte == ExpositionBytes.backslash {
                isEscaped = true
                position += 1
                if refusesUnknownEscapes { try checkEscape(bytes[position]) }
            }
            guard bytes[position] != ExpositionBytes.lineFeed else { throw unescaped(bytes, start, position, what) }
            union |= bytes[position]
            position += 1
        }
        if union >= 0x80, !ExpositionBytes.isUTF8(bytes, start, position) {
            throw error("invalid \(what) \"\(ExpositionBytes.shown(bytes, start, position))\"")
        }
        position += 1
        return isEscaped
    }

    private func checkEscape(_ byte: UInt8) throws(ExpositionError) {
        switch byte {
        case ExpositionBytes.backslash, ExpositionBytes.quote, UInt8(ascii: "n"): return
        default: throw error("invalid escape sequence '\\\(Character(Unicode.Scalar(byte)))'")
        }
    }

    /// Reads the value, with the blanks before and behind it.
    @inline(__always)
    mutating func value(_ bytes: Span<UInt8>, _ position: inout Int) throws(ExpositionError) -> Double {
        if format == .openMetrics {
            guard bytes[position] == ExpositionBytes.space else { throw error("expected a space before the value") }
            position += 1
        } else {
            ExpositionBytes.skipBlanks(bytes, &position)
        }
        let start = position
        position = ExpositionBytes.endOfToken(bytes, start)
        guard let value = ExpositionNumber.parse(bytes, start, position) else {
            throw error("expected float as value, got \"\(ExpositionBytes.shown(bytes, start, position))\"")
        }
        return value
    }

    /// Reads what may follow a value up to the line feed: a time, and in OpenMetrics an exemplar.
    @inline(__always)
    mutating func timestamp(_ bytes: Span<UInt8>, _ position: inout Int) throws(ExpositionError) -> Int64? {
        if bytes[position] == ExpositionBytes.lineFeed { return nil }
        return format == .openMetrics ? try openSuffix(bytes, &position) : try textTimestamp(bytes, &position)
    }

    private func textTimestamp(_ bytes: Span<UInt8>, _ position: inout Int) throws(ExpositionError) -> Int64? {
        ExpositionBytes.skipBlanks(bytes, &position)
        let start = position
        position = ExpositionBytes.endOfToken(bytes, start)
        guard position > start else { return nil }
        let token = text(bytes, start..<position)
        guard let time = Int64(token) else { throw error("expected integer as timestamp, got \"\(token)\"") }
        ExpositionBytes.skipBlanks(bytes, &position)
        return time
    }

    private mutating func openSuffix(_ bytes: Span<UInt8>, _ position: inout Int) throws(ExpositionError) -> Int64? {
        guard bytes[position] == ExpositionBytes.space else { throw error("expected timestamp or new record") }
        position += 1
        var time: Int64?
        if bytes[position] != ExpositionBytes.hash {
            time = try openTimestamp(bytes, &position)
            guard bytes[position] == ExpositionBytes.space else { return time }
            position += 1
        }
        try exemplar(bytes, &position)
        return time
    }

    /// Seconds as a float, as milliseconds.
    private func openTimestamp(_ bytes: Span<UInt8>, _ position: inout Int) throws(ExpositionError) -> Int64 {
        let start = position
        position = ExpositionBytes.endOfToken(bytes, start)
        guard let seconds = ExpositionNumber.parse(bytes, start, position), seconds.isFinite else {
            throw error("expected float as timestamp, got \"\(ExpositionBytes.shown(bytes, start, position))\"")
        }
        return Int64(exactly: (seconds * 1000).rounded(.towardZero)) ?? (seconds < 0 ? .min : .max)
    }

    /// Checks an exemplar, which no signal needs, up to the line feed.
    private mutating func exemplar(_ bytes: Span<UInt8>, _ position: inout Int) throws(ExpositionError) {
        guard bytes[position] == ExpositionBytes.hash, bytes[position + 1] == ExpositionBytes.space,
            bytes[position + 2] == ExpositionBytes.braceOpen
        else { throw error("expected timestamp or exemplar") }
        position += 2
        let (own, ownBefore) = (scratch, labelsBefore)
        (scratch, labelsBefore) = ([], [])
        var name = position..<position
        _ = try labels(bytes, &position, name: &name, isExemplar: true)
        (scratch, labelsBefore) = (own, ownBefore)
        _ = try value(bytes, &position)
        guard bytes[position] == ExpositionBytes.space else { return }
        position += 1
        _ = try openTimestamp(bytes, &position)
    }

    // MARK: Words for errors

    /// The text of a range.
    func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
        ExpositionBytes.shown(bytes, range.lowerBound, range.upperBound)
    }

    private func unescaped(
        _ bytes: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        _ what: StaticString
    ) -> ExpositionError {
        error("\(what) \"\(ExpositionBytes.shown(bytes, start, end))\" contains unescaped new-line")
    }

    private func endOfLabel(_ bytes: Span<UInt8>, _ position: Int) -> ExpositionError {
        let value = scratch.last.map { ExpositionBytes.shown(bytes, Int($0.valueStart), Int($0.valueEnd)) } ?? ""
        return error("unexpected end of label value \"\(value)\"")
    }
}
