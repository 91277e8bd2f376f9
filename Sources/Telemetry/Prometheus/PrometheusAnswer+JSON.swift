// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension PrometheusAnswer {
    /// Reads what the API answered.
    init(status: Int, body: [UInt8]) throws(PrometheusQueryError) {
        guard let json = try? JSONValue(parsing: body), let word = json["status"]?.string else {
            throw Self.noAnswer(status, body)
        }
        guard word == "success" else { throw Self.refusal(status, json) }
        guard let data = json["data"], let type = data["resultType"]?.string else {
            throw PrometheusQueryError(.unavailable, "the answer has no result")
        }
        let warnings = (json["warnings"]?.array ?? []).compactMap(\.string)
        switch type {
        case "vector":
            var series: [PrometheusSeries] = []
            for entry in data["result"]?.array ?? [] {
                guard let sample = entry["value"] else {
                    throw PrometheusQueryError(.execution, "the result is a native histogram; use histogram_quantile")
                }
                var labels: [String: String] = [:]
                for (name, value) in entry["metric"]?.object ?? JSONObject() { labels[name] = value.string }
                series.append(try Self.series(labels, sample))
            }
            self.init(series: series, warnings: warnings)
        case "scalar":
            self.init(series: [try Self.series([:], data["result"] ?? .null)], warnings: warnings)
        default:
            throw PrometheusQueryError(.badQuery, "the result is a \(type); an instant vector or a scalar is needed")
        }
    }

    /// A sample: `[1435781451.781, "1"]`.
    private static func series(
        _ labels: [String: String],
        _ sample: JSONValue
    ) throws(PrometheusQueryError) -> PrometheusSeries {
        guard let pair = sample.array, pair.count == 2, let time = pair[0].double, let text = pair[1].string,
            let value = ExpositionNumber.parse(Array(text.utf8).span, 0, text.utf8.count)
        else { throw PrometheusQueryError(.unavailable, "a sample is no pair of time and value") }
        return PrometheusSeries(labels: labels, value: value, time: time)
    }

    private static func refusal(_ status: Int, _ json: JSONValue) -> PrometheusQueryError {
        let message = json["error"]?.string ?? "status \(status)"
        return switch json["errorType"]?.string {
        case "bad_data": PrometheusQueryError(.badQuery, message)
        case "execution": PrometheusQueryError(.execution, message)
        case "timeout", "canceled": PrometheusQueryError(.timeout, message)
        default: PrometheusQueryError(status == 401 || status == 403 ? .unauthorized : .unavailable, message)
        }
    }

    /// What answered wasn't the API: a proxy's page, an empty body.
    private static func noAnswer(_ status: Int, _ body: [UInt8]) -> PrometheusQueryError {
        let start = body.span
        var end = min(80, start.count)
        while end > 0, start[end - 1] <= 32 { end -= 1 }
        let shown = ExpositionBytes.shown(start, 0, end)
        let code: PrometheusQueryError.Code = status == 401 || status == 403 ? .unauthorized : .unavailable
        return PrometheusQueryError(code, "status \(status)" + (shown.isEmpty ? "" : ": \(shown)"))
    }
}
