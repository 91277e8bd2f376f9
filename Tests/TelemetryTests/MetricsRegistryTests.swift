// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Telemetry

@Suite("Our own metrics")
struct MetricsRegistryTests {
    private func parse(_ text: String) throws -> MetricsPage { try ExpositionParser.parse(Array(text.utf8)) }

    @Test("what the registry writes reads back")
    func roundTrip() throws {
        let registry = MetricsRegistry()
        registry.counter("requests_total", help: "All \"requests\".\n").add(
            3,
            labels: ["code": "200", "path": "a\"b\\c\n"]
        )
        registry.gauge("queue", help: "Waiting.").set(1.5)
        let histogram = registry.histogram("seconds", help: "Duration.", buckets: [0.1, 1])
        for value in [0.05, 0.5, 0.5, 7] { histogram.observe(value, labels: ["model": "m"]) }
        let page = try parse(registry.render())
        #expect(
            page.families.mapValues(\.type) == ["requests_total": .counter, "queue": .gauge, "seconds": .histogram]
        )
        #expect(page.families["requests_total"]?.help == "All \"requests\".\n")
        #expect(page.samples.first?[label: "path"] == "a\"b\\c\n")
        let buckets = page.samples.filter { $0.name == "seconds_bucket" }
        #expect(buckets.map(\.value) == [1, 3, 4])
        #expect(buckets.map { $0[label: "le"] } == ["0.1", "1", "+Inf"])
        #expect(page.samples.first { $0.name == "seconds_sum" }?.value == 8.05)
        #expect(page.samples.first { $0.name == "seconds_count" }?.value == 4)
    }

    @Test("a family holds a bounded number of label sets")
    func boundedSeries() throws {
        let registry = MetricsRegistry()
        let counter = registry.counter("c_total", help: "")
        for index in 0..<(MetricsRegistry.seriesLimit + 500) { counter.add(labels: ["user": "\(index)"]) }
        #expect(try parse(registry.render()).samples.count == MetricsRegistry.seriesLimit + 1)
        #expect(counter.value(labels: ["user": "other"]) == 500)
    }
}
