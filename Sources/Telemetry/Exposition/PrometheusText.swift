// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The parser of the Prometheus text format, version 0.0.4, with quoted UTF-8 names.
///
/// It follows the reference parser's strictness: a page whose last line has no end was cut off and is refused.
public enum PrometheusText {
    /// Reads a page.
    /// - Parameter isWanted: says of a sample's name whether it is kept; the others are checked and dropped.
    /// - Throws: what is wrong, with the line.
    public static func parse(
        _ bytes: [UInt8],
        limits: PrometheusLimits = PrometheusLimits(),
        keeping isWanted: (String) -> Bool = { _ in true }
    ) throws(PrometheusTextError) -> PrometheusPage {
        guard bytes.count <= limits.bytes else {
            throw PrometheusTextError(line: 1, message: "the page is larger than the limit of \(limits.bytes) bytes")
        }
        var parser = PrometheusLineParser(bytes: bytes, limits: limits)
        var page = PrometheusPage()
        var seen: Set<String> = []
        while parser.skipToContent() {
            if parser.peek == UInt8(ascii: "#") {
                try parser.comment(into: &page, seen: seen)
                continue
            }
            let sample = try parser.sample()
            try check(sample, types: page.types, line: parser.line)
            try parser.endLine()
            if seen.count < limits.samples { seen.insert(family(of: sample.name, types: page.types)) }
            guard isWanted(sample.name) else { continue }
            guard page.samples.count < limits.samples else {
                throw parser.error("more than \(limits.samples) samples")
            }
            page.samples.append(sample)
        }
        return page
    }

    /// The family that a sample's name belongs to: without the suffix, where a histogram or summary has that name.
    private static func family(of name: String, types: [String: String]) -> String {
        for suffix in ["_bucket", "_sum", "_count"] where name.hasSuffix(suffix) {
            let base = String(name.dropLast(suffix.count))
            if let type = types[base], isDistribution(type), type != "summary" || suffix != "_bucket" { return base }
        }
        return name
    }

    private static func isDistribution(_ type: String) -> Bool {
        type == "histogram" || type == "summary" || type == "gaugehistogram" || type == "gauge_histogram"
    }

    /// Checks what only a family's type makes wrong: bounds that are no numbers, counts below zero.
    private static func check(
        _ sample: PrometheusSample,
        types: [String: String],
        line: Int
    ) throws(PrometheusTextError) {
        if types[sample.name] == "summary", let quantile = sample[label: "quantile"], number(quantile) == nil {
            throw PrometheusTextError(
                line: line,
                message: "expected float as value for 'quantile' label, got \"\(quantile)\""
            )
        }
        let base = family(of: sample.name, types: types)
        guard base != sample.name, types[base] != "summary" else { return }
        if sample.name.hasSuffix("_bucket") {
            if let bound = sample[label: "le"], number(bound) == nil {
                throw PrometheusTextError(
                    line: line,
                    message: "expected float as value for 'le' label, got \"\(bound)\""
                )
            }
            if sample.value < 0 {
                throw PrometheusTextError(line: line, message: "negative bucket population for histogram \"\(base)\"")
            }
        } else if sample.name.hasSuffix("_count"), sample.value < 0 {
            throw PrometheusTextError(line: line, message: "negative count for histogram \"\(base)\"")
        }
    }

    /// Reads a number as Go's `ParseFloat` does, without hexadecimal digits and underscores.
    static func number(_ text: some StringProtocol) -> Double? {
        var rest = Substring(text)
        var sign = 1.0
        if rest.hasPrefix("-") || rest.hasPrefix("+") {
            sign = rest.hasPrefix("-") ? -1 : 1
            rest = rest.dropFirst()
        }
        switch rest.lowercased() {
        case "inf", "infinity": return sign * .infinity
        case "nan": return .nan
        default: break
        }
        guard let first = rest.utf8.first, (48...57).contains(first) || first == 46,
            rest.utf8.allSatisfy({ (48...57).contains($0) || [46, 101, 69, 43, 45].contains($0) })
        else { return nil }
        if rest.hasPrefix(".") { rest = "0" + rest }
        return Double(rest).map { sign * $0 }
    }
}
