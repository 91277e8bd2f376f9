// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Which columns of a trace hold what, by the names in its header.
enum TraceColumns: Equatable {
    /// The requests in one interval; its beginning, where a column says it.
    case counts(Int, times: Int?)
    /// Requests a second from a time on, and the coefficient of variation of the gaps where a column says it.
    case rates(Int, times: Int, variation: Int?)
    /// The time of one request.
    case times(Int)

    /// The names of columns with times, in lower case.
    static let timeNames: Set<String> = [
        "t", "t_s", "time", "time_s", "times", "timestamp", "timestamp_s", "timestamps", "ts", "seconds", "date",
        "datetime",
        "arrival", "arrival_s", "arrival_time", "arrival_time_s", "arrival_timestamp", "arrived_at",
        "start_time", "request_time", "created_at",
    ]

    /// The names of columns that may be counts or rates, which nobody knows, in lower case.
    private static let numberNames: Set<String> = [
        "arrivals", "calls", "counts", "hits", "invocations", "qps", "rate", "rates", "request_count", "requests",
        "requests_per_second", "rps", "throughput", "tps", "value", "values",
    ]

    /// Reads a header.
    /// - Throws: what is unknown, missing or in doubt, as a clause.
    init(header: [String]) throws(TraceError) {
        let names = header.map { $0.lowercased() }
        let times = names.firstIndex(where: Self.timeNames.contains)
        let counts = names.firstIndex(of: "count")
        let rates = names.firstIndex(of: "rate_rps")
        switch (counts, rates) {
        case (_?, _?): throw TraceError(description: "both count and rate_rps are columns; take one of them out")
        case (let counts?, nil): self = .counts(counts, times: times)
        case (nil, let rates?):
            guard let times else {
                throw TraceError(
                    description: "rate_rps needs a column t_s beside it, with the time that a rate begins at"
                )
            }
            self = .rates(rates, times: times, variation: names.firstIndex { $0.split(separator: "_").contains("cv") })
        case (nil, nil):
            guard let times else {
                let shown = header.first.map(Self.shown) ?? ""
                let isDivided = header.count == 1 && header[0].contains { $0 == ";" || $0 == "\t" }
                let hint = isDivided ? "commas divide columns" : "use time, count, or t_s,rate_rps"
                throw TraceError(description: "unknown column '\(shown)'; \(hint)")
            }
            if let doubtful = names.first(where: Self.numberNames.contains) {
                throw TraceError(
                    description:
                        "column '\(doubtful)' may be counts or rates; rename it to count or rate_rps, or take it out if "
                        + "each row is one request"
                )
            }
            self = .times(times)
        }
    }

    /// How many of the first columns matter.
    var wanted: Int {
        switch self {
        case .counts(let count, let times): max(count, times ?? 0) + 1
        case .rates(let rate, let times, let variation): max(rate, times, variation ?? 0) + 1
        case .times(let times): times + 1
        }
    }

    /// A text from a file, fit for a message: short, and without what moves a terminal's cursor or turns its direction.
    static func shown(_ text: String) -> String {
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(40) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: shown.append("?")
            default: shown.append(scalar)
            }
        }
        return String(shown)
    }
}
