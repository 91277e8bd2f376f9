// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How a metrics page is written.
public enum ExpositionFormat: Sendable, Hashable, CaseIterable {
    /// The Prometheus text format, version 0.0.4, with quoted UTF-8 names (version 1.0.0).
    case prometheusText
    /// OpenMetrics text, versions 0.0.1 and 1.0.0.
    case openMetrics

    /// The `Accept` field of a scrape: the media types, and their order, that Prometheus 3 asks for, without protobuf.
    public static let accept =
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        + "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
        + "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"

    /// The format that a `Content-Type` names.
    ///
    /// A missing or plain type is Prometheus text, as many servers don't say more. `nil` for what can't be a text page:
    /// protobuf, HTML, JSON.
    public init?(contentType: String?) {
        let media = (contentType ?? "").split(separator: ";", maxSplits: 1).first.map { String($0) } ?? ""
        switch media.lowercased().filter({ $0 != " " && $0 != "\t" }) {
        case "application/openmetrics-text": self = .openMetrics
        case "", "text/plain", "application/octet-stream", "text/prometheus": self = .prometheusText
        default: return nil
        }
    }
}
