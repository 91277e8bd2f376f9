// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What a page says a family is.
public enum MetricType: Sendable, Hashable, CaseIterable {
    /// Only grows, until its server restarts.
    case counter
    /// Goes up and down.
    case gauge
    /// Counts of observations by size.
    case histogram
    /// Counts of current things by size.
    case gaugeHistogram
    /// Quantiles that the server computed.
    case summary
    /// Facts as labels.
    case info
    /// A set of states, each 0 or 1.
    case stateSet
    /// Nothing is known (`untyped` in Prometheus text).
    case unknown

    /// The type that the word at `start..<end` names; `nil` where the format has no such type.
    ///
    /// Prometheus text allows any case, as Prometheus' library does.
    init?(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, format: ExpositionFormat) {
        guard start < end, end - start <= 15 else { return nil }
        // The words as numbers: at most 15 bytes fit, and comparing allocates nothing.
        var word: UInt128 = 0
        for index in start..<end {
            let byte = bytes[index]
            let isUpper = byte &- 65 < 26
            word = word << 8 | UInt128(isUpper && format == .prometheusText ? byte | 0x20 : byte)
        }
        for (name, type) in format == .prometheusText ? Self.textWords : Self.openWords where name == word {
            self = type
            return
        }
        return nil
    }

    private static func number(_ word: String) -> UInt128 { word.utf8.reduce(0) { $0 << 8 | UInt128($1) } }

    private static let shared: [(UInt128, MetricType)] = [
        (number("counter"), .counter), (number("gauge"), .gauge), (number("histogram"), .histogram),
        (number("summary"), .summary), (number("gaugehistogram"), .gaugeHistogram),
    ]
    private static let textWords =
        shared + [
            (number("untyped"), .unknown), (number("gauge_histogram"), .gaugeHistogram),
        ]
    private static let openWords =
        shared + [
            (number("unknown"), .unknown), (number("info"), .info), (number("stateset"), .stateSet),
        ]
}
