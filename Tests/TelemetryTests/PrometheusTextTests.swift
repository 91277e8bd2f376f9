// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Telemetry

/// Recorded pages and cases beside the checkout; tests that need them are skipped where they are missing.
enum ReferenceData {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "shared/kubernetes/metrics")
    static var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path()) }
}

@Suite("Prometheus text format")
struct PrometheusTextTests {
    private func parse(_ text: String) throws -> PrometheusPage { try PrometheusText.parse(Array(text.utf8)) }

    @Test("reads names, labels, escapes, values and times")
    func reads() throws {
        let page = try parse(
            "# HELP a some\\n help\n# TYPE a counter\na{x=\"1\",y=\"q\\\"\\\\\\n\",} 2.5 99\n b:c -Inf\nd{ } +Inf\n"
        )
        #expect(page.types == ["a": "counter"])
        #expect(page.help == ["a": "some\n help"])
        #expect(page.samples.map(\.name) == ["a", "b:c", "d"])
        #expect(page.samples.first?[label: "y"] == "q\"\\\n")
        #expect(page.samples.first?.timestampMilliseconds == 99)
        #expect(page.samples.map(\.value) == [2.5, -.infinity, .infinity])
    }

    @Test(
        "refuses what is malformed, with the line",
        arguments: [
            ("a 1\nb 2", 2), ("a{x=\"1\"\n} 2\n", 1), ("\n\na b\n", 3), ("{x=\"1\"} 2\n", 1), ("a 1 2 3\n", 1),
            ("a{x=\"1\",x=\"2\"} 1\n", 1),
        ]
    )
    func refuses(text: String, line: Int) {
        #expect { try parse(text) } throws: { ($0 as? PrometheusTextError)?.line == line }
    }

    @Test("never crashes on a cut or changed page")
    func survives() {
        let text = Array("# TYPE a histogram\na_bucket{le=\"0.1\"} 3\na_sum 1e3\n{\"q.r\",b=\"\\n\"} NaN 12\n".utf8)
        for end in text.indices { _ = try? PrometheusText.parse(Array(text[..<end])) }
        for index in text.indices {
            for byte: UInt8 in [0, 10, 34, 44, 61, 92, 123, 125, 255] {
                var changed = text
                changed[index] = byte
                _ = try? PrometheusText.parse(changed)
            }
        }
    }

    @Test("keeps to its limits")
    func limits() {
        let page = Array(String(repeating: "a 1\n", count: 11).utf8)
        #expect(throws: PrometheusTextError.self) {
            try PrometheusText.parse(page, limits: PrometheusLimits(bytes: 40))
        }
        #expect(throws: PrometheusTextError.self) {
            try PrometheusText.parse(page, limits: PrometheusLimits(samples: 10))
        }
    }

    @Test("agrees with the reference parser's cases", .enabled(if: ReferenceData.isPresent, "no reference data here"))
    func referenceCases() throws {
        let data = try Data(contentsOf: ReferenceData.folder.appending(path: "prometheus-text-parser-cases.json"))
        let cases = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
        #expect(cases.count > 40)
        for entry in cases {
            let name = entry["name"] as? String ?? ""
            let text = entry["input"] as? String
            let coded = (entry["inputBase64"] as? String).flatMap { Data(base64Encoded: $0) }
            let input = text.map { Array($0.utf8) } ?? Array(coded ?? Data())
            let expected = try #require(entry["utf8"] as? [String: Any])
            do throws(PrometheusTextError) {
                let page = try PrometheusText.parse(input)
                #expect(expected["parses"] as? Bool == true, "\(name) must be refused")
                check(page, families: entry["families"] as? [[String: Any]] ?? [], name)
            } catch {
                #expect(expected["parses"] as? Bool == false, "\(name): \(error)")
                let prefix = expected["errorPrefix"] as? String ?? ""
                #expect(error.description.hasPrefix(prefix), "\(name): \(error) is not \(prefix)")
            }
        }
    }

    /// Checks names, types and the values of counters, gauges and untyped metrics.
    private func check(_ page: PrometheusPage, families: [[String: Any]], _ name: String) {
        for family in families {
            let metric = family["Name"] as? String ?? ""
            let type = (family["Type"] as? String ?? "").lowercased()
            if type != "untyped" { #expect(page.types[metric] != nil, "\(name): \(metric)") }
            if let help = family["Help"] as? String { #expect(page.help[metric] == help, "\(name): \(metric)") }
            guard ["counter", "gauge", "untyped"].contains(type) else { continue }
            let metrics = family["Metric"] as? [[String: Any]] ?? []
            let samples = page.samples.filter { $0.name == metric }
            #expect(samples.count == metrics.count, "\(name): \(metric)")
            for (sample, expected) in zip(samples, metrics) {
                let labels = (expected["Label"] as? [[String: String]] ?? []).map {
                    "\($0["Name"] ?? "")=\($0["Value"] ?? "")"
                }
                #expect(sample.labels.map { "\($0.name)=\($0.value)" } == labels, "\(name): \(metric)")
                let value = (expected["Counter"] ?? expected["Gauge"] ?? expected["Untyped"]) as? [String: Any]
                let number = (value?["Value"] as? Double) ?? (value?["Value"] as? String).flatMap(PrometheusText.number)
                #expect(sample.value == number || (sample.value.isNaN && number?.isNaN == true), "\(name): \(metric)")
            }
        }
    }

    @Test("reads what real servers export", .enabled(if: ReferenceData.isPresent, "no reference data here"))
    func servers() throws {
        let pages = ["go-process-2015", "kserve-python", "sglang", "torchserve", "triton", "vllm"]
        for name in pages {
            let data = try Data(contentsOf: ReferenceData.folder.appending(path: "servers/\(name).prom"))
            let page = try PrometheusText.parse(Array(data))
            #expect(page.samples.count > 10, "\(name)")
        }
    }

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
        #expect(page.types == ["requests_total": "counter", "queue": "gauge", "seconds": "histogram"])
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
