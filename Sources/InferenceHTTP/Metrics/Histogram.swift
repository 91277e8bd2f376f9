// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Counts of observations by upper bound, as Prometheus keeps them.
struct Histogram: Sendable {
    /// Latency bounds in seconds, from half a millisecond to ten seconds.
    static let latencyBounds = [
        0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10,
    ]
    /// Batch size bounds in rows.
    static let sizeBounds: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256]

    private let bounds: [Double]
    private var counts: [Int]
    private var sum = 0.0

    /// An empty histogram with ascending bounds.
    init(bounds: [Double]) {
        self.bounds = bounds
        counts = [Int](repeating: 0, count: bounds.count + 1)
    }

    /// Counts one observation.
    mutating func observe(_ value: Double) {
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        counts[index] += 1
        sum += value
    }

    /// The number of observations.
    var total: Int { counts.reduce(0, +) }

    /// The bound under which at least this share of the observations lies; `nil` without an observation, infinite above the
    /// last bound.
    func quantile(_ share: Double) -> Double? {
        let total = total
        guard total > 0 else { return nil }
        var sum = 0
        for (index, count) in counts.enumerated() {
            sum += count
            if Double(sum) >= share * Double(total) { return index < bounds.count ? bounds[index] : .infinity }
        }
        return .infinity
    }

    /// The exposition lines; `labels` as `a="b",c="d"`, may be empty.
    func lines(name: String, labels: String) -> [String] {
        let start = labels.isEmpty ? "" : labels + ","
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        var lines: [String] = []
        var total = 0
        for (index, count) in counts.enumerated() {
            total += count
            let bound = index < bounds.count ? PrometheusNumber.text(bounds[index]) : "+Inf"
            lines.append("\(name)_bucket{\(start)le=\"\(bound)\"} \(total)")
        }
        lines.append("\(name)_sum\(braces) \(PrometheusNumber.text(sum))")
        lines.append("\(name)_count\(braces) \(total)")
        return lines
    }
}

/// Numbers and label values in the exposition format.
enum PrometheusNumber {
    /// Whole numbers without a fraction.
    static func text(_ number: Double) -> String {
        if let whole = Int(exactly: number) { return String(whole) }
        return number.description
    }

    /// A label's value with backslash, quote and line feed escaped.
    static func escaped(_ value: String) -> String {
        var result = ""
        for character in value.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
