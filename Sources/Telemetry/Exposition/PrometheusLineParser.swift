// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Reads one line after the other of a page; knows the line number for errors.
struct PrometheusLineParser {
    /// The line that is being read, from 1.
    private(set) var line = 1
    private let bytes: [UInt8]
    private let limits: PrometheusLimits
    private var position = 0

    /// Starts at the first byte.
    init(bytes: [UInt8], limits: PrometheusLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    /// The byte at the current position; `nil` at the end.
    var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// An error in the current line.
    func error(_ message: String) -> PrometheusTextError { PrometheusTextError(line: line, message: message) }

    /// Skips blanks and empty lines; `false` at the end of the page.
    mutating func skipToContent() -> Bool {
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\n"): line += 1
            case UInt8(ascii: " "), UInt8(ascii: "\t"): break
            default: return true
            }
            position += 1
        }
        return false
    }

    /// The end of a sample's line, with its newline.
    mutating func endLine() throws(PrometheusTextError) {
        skipBlanks()
        guard let byte = peek else { throw error("unexpected end of input stream") }
        guard byte == UInt8(ascii: "\n") else { throw error("spurious string after timestamp") }
        position += 1
        line += 1
    }

    // MARK: Comments

    /// A line that starts with `#`: a help text, a type, or a comment.
    mutating func comment(into page: inout PrometheusPage, seen: Set<String>) throws(PrometheusTextError) {
        position += 1
        skipBlanks()
        let keyword = token()
        guard keyword == "HELP" || keyword == "TYPE" else { return skipLine() }
        skipBlanks()
        guard let start = peek, start != UInt8(ascii: "\n") else { return skipLine() }
        let name = start == UInt8(ascii: "\"") ? try quoted("metric name") : token()
        guard !name.isEmpty else { throw error("invalid metric name in comment") }
        guard start == UInt8(ascii: "\"") || Self.isName(name, colon: true) else {
            throw error("invalid metric name in comment")
        }
        skipBlanks()
        guard let next = peek, next != UInt8(ascii: "\n") else { return skipLine() }
        if keyword == "HELP" {
            let text = try helpText()
            guard page.help[name] == nil else { throw error("second HELP line for metric name \"\(name)\"") }
            page.help[name] = text
        } else {
            guard page.types[name] == nil, !seen.contains(name) else {
                throw error("second TYPE line for metric name \"\(name)\", or TYPE reported after samples")
            }
            let word = lineText().lowercased()
            let types = ["counter", "gauge", "summary", "untyped", "histogram", "gaugehistogram", "gauge_histogram"]
            guard types.contains(word) else { throw error("unknown metric type \"\(word)\"") }
            page.types[name] = word
        }
        skipLine()
    }

    private mutating func helpText() throws(PrometheusTextError) -> String {
        var text: [UInt8] = []
        while let byte = peek, byte != UInt8(ascii: "\n") {
            position += 1
            text.append(byte == UInt8(ascii: "\\") ? try escape() : byte)
        }
        return String(decoding: text, as: UTF8.self)
    }

    private mutating func lineText() -> String {
        let start = position
        while let byte = peek, byte != UInt8(ascii: "\n") { position += 1 }
        var end = position
        while end > start, [9, 13, 32].contains(bytes[end - 1]) { end -= 1 }
        return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    // MARK: Samples

    /// A sample up to the end of its value and timestamp.
    mutating func sample() throws(PrometheusTextError) -> PrometheusSample {
        var name: String?
        var labels: [PrometheusSample.Label] = []
        if peek != UInt8(ascii: "{") {
            let text = nameToken(colon: true)
            guard !text.isEmpty else { throw error("invalid metric name") }
            name = text
            skipBlanks()
        }
        if peek == UInt8(ascii: "{") { try readLabels(name: &name, labels: &labels) }
        guard let name else { throw error("invalid metric name") }
        skipBlanks()
        let text = token()
        guard let value = PrometheusText.number(text) else { throw error("expected float as value, got \"\(text)\"") }
        skipBlanks()
        var timestamp: Int64?
        if let byte = peek, byte != UInt8(ascii: "\n") {
            let text = token()
            guard let number = Int64(text) else { throw error("expected integer as timestamp, got \"\(text)\"") }
            timestamp = number
        }
        return PrometheusSample(name: name, labels: labels, value: value, timestampMilliseconds: timestamp)
    }

    private mutating func readLabels(
        name: inout String?,
        labels: inout [PrometheusSample.Label]
    ) throws(PrometheusTextError) {
        position += 1
        while true {
            skipBlanks()
            guard let byte = peek else { throw error("unexpected end of input stream") }
            if byte == UInt8(ascii: "}") {
                position += 1
                return
            }
            let isQuoted = byte == UInt8(ascii: "\"")
            let label = isQuoted ? try quoted("metric name") : nameToken(colon: false)
            skipBlanks()
            if isQuoted, peek == UInt8(ascii: ",") || peek == UInt8(ascii: "}") {
                guard name == nil else { throw error("multiple metric names for metric \"\(label)\"") }
                guard !label.isEmpty else { throw error("invalid metric name") }
                name = label
            } else {
                try readValue(of: label, metric: name, labels: &labels)
            }
            skipBlanks()
            switch peek {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"): break
            case nil: throw error("unexpected end of input stream")
            default: throw error("unexpected end of label value \"\(labels.last?.value ?? "")\"")
            }
        }
    }

    private mutating func readValue(
        of label: String,
        metric: String?,
        labels: inout [PrometheusSample.Label]
    ) throws(PrometheusTextError) {
        guard let metric else { throw error("invalid metric name") }
        guard !label.isEmpty else { throw error("invalid label name for metric \"\(metric)\"") }
        guard peek == UInt8(ascii: "=") else { throw error("expected '=' after label name, found other text") }
        position += 1
        skipBlanks()
        guard peek == UInt8(ascii: "\"") else { throw error("expected '\"' at start of label value") }
        let value = try quoted("label value")
        guard labels.count < limits.labels else { throw error("more than \(limits.labels) labels") }
        guard !labels.contains(where: { $0.name == label }) else {
            throw error("duplicate label names for metric \"\(metric)\"")
        }
        labels.append(PrometheusSample.Label(name: label, value: value))
    }

    // MARK: Tokens

    private mutating func quoted(_ what: String) throws(PrometheusTextError) -> String {
        position += 1
        var text: [UInt8] = []
        while let byte = peek {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let valid = String(validating: text, as: UTF8.self) else {
                    throw error("invalid \(what) \"\(Self.shown(text))\"")
                }
                return valid
            case UInt8(ascii: "\n"):
                throw error("\(what) \"\(String(decoding: text, as: UTF8.self))\" contains unescaped new-line")
            case UInt8(ascii: "\\"): text.append(try escape())
            default: text.append(byte)
            }
        }
        throw error("unexpected end of input stream")
    }

    private mutating func escape() throws(PrometheusTextError) -> UInt8 {
        guard let byte = peek else { throw error("unexpected end of input stream") }
        position += 1
        switch byte {
        case UInt8(ascii: "\\"), UInt8(ascii: "\""): return byte
        case UInt8(ascii: "n"): return UInt8(ascii: "\n")
        default: throw error("invalid escape sequence '\\\(Character(Unicode.Scalar(byte)))'")
        }
    }

    private mutating func nameToken(colon: Bool) -> String {
        let start = position
        while let byte = peek, Self.isNameByte(byte, first: position == start, colon: colon) { position += 1 }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func token() -> String {
        let start = position
        while let byte = peek, ![9, 10, 32].contains(byte) { position += 1 }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func skipBlanks() {
        while let byte = peek, byte == 32 || byte == 9 { position += 1 }
    }

    private mutating func skipLine() {
        while let byte = peek, byte != UInt8(ascii: "\n") { position += 1 }
    }

    private static func isName(_ text: String, colon: Bool) -> Bool {
        text.utf8.enumerated().allSatisfy { isNameByte($0.element, first: $0.offset == 0, colon: colon) }
    }

    private static func isNameByte(_ byte: UInt8, first: Bool, colon: Bool) -> Bool {
        switch byte {
        case 65...90, 97...122, 95: true
        case 48...57: !first
        case 58: colon
        default: false
        }
    }

    /// The bytes with those outside of printable ASCII written as `\xNN`.
    private static func shown(_ bytes: [UInt8]) -> String {
        bytes.map { (32..<127).contains($0) ? String(Unicode.Scalar($0)) : "\\x" + String($0, radix: 16) }.joined()
    }
}
