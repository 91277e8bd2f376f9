// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Simulation
import Telemetry

/// A recorded metrics page that says how long requests take.
struct ServicePage {
    private let file: String
    private let page: MetricsPage

    /// Reads a page in Prometheus' text format or OpenMetrics.
    init(file: String) throws {
        let bytes = try CommandFiles.read(file)
        let isOpenMetrics = bytes.suffix(8).split(separator: 10).last.map { $0.elementsEqual("# EOF".utf8) } ?? false
        do {
            page = try ExpositionParser.parse(bytes, format: isOpenMetrics ? .openMetrics : .prometheusText)
        } catch {
            throw CommandFailure("\(file): \(error); record the page as the server sends it, say with curl -s")
        }
        self.file = file
    }

    /// The distribution behind a histogram, all its label sets together. A name that ends in `_milliseconds` or `_ms` says its
    /// unit; others count seconds.
    func serviceTime(_ metric: String) throws -> ServiceTime {
        let name = metric.hasSuffix("_bucket") ? String(metric.dropLast(7)) : metric
        var series: [[MetricSample.Label]: [(bound: Double, count: Double)]] = [:]
        for sample in page.samples where sample.name == name + "_bucket" {
            guard let bound = sample[label: "le"].flatMap(Double.init) else { continue }
            series[sample.labels.filter { $0.name != "le" }, default: []].append((bound, sample.value))
        }
        guard !series.isEmpty else {
            let names = Set(page.samples.map(\.name).filter { $0.hasSuffix("_bucket") }.map { String($0.dropLast(7)) })
            let offered = names.isEmpty ? "there is none" : "there are " + names.sorted().joined(separator: ", ")
            throw CommandFailure("\(file): no histogram \(name) on the page; \(offered)")
        }
        let histogram = series.values.map { LatencyHistogram(buckets: $0) }
            .reduce(LatencyHistogram(buckets: [])) { $0.merging($1) }
        let unit = ["_milliseconds", "_ms"].contains(where: name.hasSuffix) ? 1e-3 : 1
        let bounds = histogram.bounds.map { $0 * unit }
        guard let time = ServiceTime(upperBounds: bounds, cumulative: histogram.counts), time.meanSeconds <= 3600 else {
            throw CommandFailure(
                "\(file): \(name) says nothing of how long requests take: no request in a bucket up to an hour; record the page "
                    + "after some requests"
            )
        }
        return time
    }
}
