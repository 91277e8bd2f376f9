// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Lines that start with `#`: help texts, types, units, the end mark, and comments.
extension ExpositionParser {
    private enum Keyword { case help, type, unit, end, none }

    /// Reads a comment up to its line feed.
    mutating func comment(_ chunk: [UInt8], _ position: inout Int) throws(ExpositionError) {
        let bytes = chunk.span
        let start = position
        position += 1
        if format == .prometheusText {
            ExpositionBytes.skipBlanks(bytes, &position)
        } else {
            guard bytes[position] == ExpositionBytes.space else { throw error("expected a space after '#'") }
            position += 1
        }
        let keywordStart = position
        position = ExpositionBytes.endOfToken(bytes, position)
        let keyword = self.keyword(bytes, keywordStart, position)
        switch keyword {
        case .help, .type, .unit: try metadata(keyword, chunk, &position)
        case .end where format == .openMetrics:
            guard bytes[position] == ExpositionBytes.lineFeed else { throw error("unexpected data after # EOF") }
            isAtEnd = true
        case .end, .none:
            guard format == .prometheusText else {
                throw error("expected HELP, TYPE, UNIT or EOF, got \"\(text(bytes, start..<position))\"")
            }
            position = ByteScan.lineFeed(bytes, from: position).position
        }
    }

    private func keyword(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Keyword {
        guard end - start == 4 || end - start == 3 else { return .none }
        var word: UInt32 = 0
        for index in start..<end { word = word << 8 | UInt32(bytes[index]) }
        switch word {
        case 0x4845_4c50: return .help
        case 0x5459_5045: return .type
        case 0x554e_4954: return format == .openMetrics ? .unit : .none
        case 0x45_4f46: return .end
        default: return .none
        }
    }

    private mutating func metadata(
        _ keyword: Keyword,
        _ chunk: [UInt8],
        _ position: inout Int
    ) throws(ExpositionError) {
        let bytes = chunk.span
        let isText = format == .prometheusText
        if isText {
            ExpositionBytes.skipBlanks(bytes, &position)
            // As for Prometheus' library, a keyword alone is a comment.
            if bytes[position] == ExpositionBytes.lineFeed { return }
        } else {
            guard bytes[position] == ExpositionBytes.space else { throw error("expected a metric name") }
            position += 1
        }
        let name = try familyName(bytes, &position)
        let start = position
        let rest = ByteScan.lineFeed(bytes, from: start)
        position = rest.position
        if !rest.isASCII, !ExpositionBytes.isUTF8(bytes, start, position) {
            throw error("the text \"\(text(bytes, start..<position))\" is not valid UTF-8")
        }
        // As for Prometheus' library, a name alone is a comment.
        if isText, start == position { return }
        let isKept =
            name.isEscaped
            ? selection.contains(MetricsPage.text(chunk[name.range], isEscaped: true))
            : selection.contains(bytes, Int(name.start), Int(name.end))
        let fact = try fact(keyword, bytes, start, position, name: name)
        if keyword == .type { begin(chunk, family: name) }
        if isKept { keep(chunk, family: name, fact: fact) }
    }

    /// A family's name, with or without quotes, and the blank behind it.
    private mutating func familyName(
        _ bytes: Span<UInt8>,
        _ position: inout Int
    ) throws(ExpositionError) -> MetricsPage.TextRange {
        var name = position..<position
        var isEscaped = false
        if bytes[position] == ExpositionBytes.quote {
            isEscaped = try quoted(bytes, &position, "metric name", refusesUnknownEscapes: true)
            name = name.lowerBound + 1..<position - 1
            guard !name.isEmpty else { throw error("invalid metric name in comment") }
        } else {
            // Mostly that of the comment before: a help text and a type.
            if let last = lastPlainFamily, ByteScan.isSame(bytes, last.lowerBound, position, count: last.count) {
                position += last.count
            }
            position = ByteScan.endOfName(bytes, from: position)
            name = name.lowerBound..<position
            guard !name.isEmpty, !ExpositionBytes.isDigit(bytes[name.lowerBound]) else {
                throw error("invalid metric name in comment")
            }
            lastPlainFamily = name
        }
        let next = bytes[position]
        if format == .openMetrics {
            guard next == ExpositionBytes.space else { throw error("expected text after the metric name") }
            position += 1
        } else {
            guard next == ExpositionBytes.space || next == ExpositionBytes.tab || next == ExpositionBytes.lineFeed
            else { throw error("invalid metric name in comment") }
            ExpositionBytes.skipBlanks(bytes, &position)
        }
        return MetricsPage.TextRange(name, isEscaped: isEscaped)
    }

    private func fact(
        _ keyword: Keyword,
        _ bytes: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        name: MetricsPage.TextRange
    ) throws(ExpositionError) -> MetricsPage.Fact {
        switch keyword {
        case .type:
            var last = end
            while format == .prometheusText, last > start, bytes[last - 1] == 32 || bytes[last - 1] &- 9 < 5 {
                last -= 1
            }
            guard let type = MetricType(bytes, start, last, format: format) else {
                throw error("unknown metric type \"\(text(bytes, start..<last))\"")
            }
            return .type(type)
        case .unit:
            let unit = text(bytes, start..<end)
            let metric = text(bytes, name.range)
            guard unit.isEmpty || metric.hasSuffix("_" + unit) else {
                throw error("unit \"\(unit)\" is not a suffix of metric \"\(metric)\"")
            }
            return .unit(MetricsPage.TextRange(start..<end, isEscaped: false))
        case .help, .end, .none:
            var isEscaped = false
            for index in start..<end where bytes[index] == ExpositionBytes.backslash { isEscaped = true }
            return .help(MetricsPage.TextRange(start..<end, isEscaped: isEscaped))
        }
    }
}

extension MetricsPage.TextRange {
    /// The text at `range`.
    fileprivate init(_ range: Range<Int>, isEscaped: Bool) {
        start = UInt32(truncatingIfNeeded: range.lowerBound)
        end = UInt32(truncatingIfNeeded: range.upperBound)
        self.isEscaped = isEscaped
    }

    /// The place of the text.
    fileprivate var range: Range<Int> { Int(start)..<Int(end) }
}
