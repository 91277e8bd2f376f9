// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Rollouts
import Telemetry

/// What a check's answer means.
enum CheckRule {
    /// How old a sample may be, by the clock of the Prometheus server.
    static let staleAfter = Duration.seconds(60)

    /// What a query's answer means.
    ///
    /// | series | values | result |
    /// | --- | --- | --- |
    /// | none | | unknown |
    /// | some | one isn't within the bounds, infinite ones included | failed |
    /// | some | one is NaN, or too old | unknown |
    /// | some | all within the bounds, and the answer may be partial | unknown |
    /// | some | all within the bounds | passed |
    static func judge(
        _ name: String,
        _ answer: PrometheusAnswer,
        min: Double?,
        max: Double?,
        now: WallTime
    ) -> RolloutCheck {
        guard !answer.series.isEmpty else {
            let why = answer.warnings.first.map { ": \(PrintableText.line($0))" } ?? ""
            return RolloutCheck(name, .unknown, "the query has no result\(why)")
        }
        var silent: String?
        for series in answer.series {
            let age = now - WallTime(seconds: series.time)
            guard age <= staleAfter, age >= .zero - staleAfter else {
                silent = silent ?? "the value is of another time, \(Int(age.inSeconds)) s ago by our clock"
                continue
            }
            guard !series.value.isNaN else {
                silent = silent ?? "the value\(labels(series)) is NaN"
                continue
            }
            if let max, series.value > max {
                return RolloutCheck(name, .failed, "\(text(series.value))\(labels(series)) is above \(text(max))")
            }
            if let min, series.value < min {
                return RolloutCheck(name, .failed, "\(text(series.value))\(labels(series)) is below \(text(min))")
            }
        }
        if let silent { return RolloutCheck(name, .unknown, silent) }
        if let warning = answer.warnings.first {
            return RolloutCheck(name, .unknown, "the answer may be partial: \(PrintableText.line(warning))")
        }
        let values = answer.series.prefix(3).map { text($0.value) }.joined(separator: ", ")
        let bounds = [min.map { "at least \(text($0))" }, max.map { "at most \(text($0))" }].compactMap(\.self)
        return RolloutCheck(name, .passed, "\(values) is \(bounds.joined(separator: " and "))")
    }

    /// What a webhook's answer means.
    ///
    /// | status | result |
    /// | --- | --- |
    /// | 2xx | passed |
    /// | 401, 403, 404, 405, 407, 408, 425, 429 | unknown: whoever answered wasn't the check, or had no time |
    /// | any other 4xx | failed |
    /// | 1xx, 3xx, 5xx | unknown |
    ///
    /// A body that is a JSON object with a `message` is quoted.
    static func judge(_ name: String, status: Int, body: [UInt8]) -> RolloutCheck {
        let json = try? JSONValue(parsing: body)
        let message = json?["message"]?.string.map { PrintableText.line($0) } ?? ""
        let said = "status \(status)" + (message.isEmpty ? "" : ": \(message)")
        switch status {
        case 200..<300: return RolloutCheck(name, .passed, said)
        case 401, 403, 404, 405, 407, 408, 425, 429: return RolloutCheck(name, .unknown, said)
        case 400..<500: return RolloutCheck(name, .failed, said)
        default: return RolloutCheck(name, .unknown, said)
        }
    }

    private static func labels(_ series: PrometheusSeries) -> String {
        let shown = series.labels.filter { $0.key != "__name__" }.sorted { $0.key < $1.key }.prefix(3)
        guard !shown.isEmpty else { return "" }
        return " {" + shown.map { "\($0.key)=\"\(PrintableText.line($0.value))\"" }.joined(separator: ",") + "}"
    }

    private static func text(_ value: Double) -> String { PrometheusTextWriter.number(value) }
}
