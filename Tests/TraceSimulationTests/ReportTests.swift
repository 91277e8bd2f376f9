// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@testable import Simulation

@Suite("The report's words and units")
struct ReportTests {
    static func report(seconds: Int, percentile: Double = 95) throws -> ComparisonReport {
        var settings = FleetSettings()
        settings.objectivePercentile = percentile
        settings.serviceTime = ServiceTime(.lognormal(variation: 0.5), meanSeconds: 1)
        settings.occupancySlope = 0.1
        let counts = ArrivalTrace(name: "x", rows: .counts(Array(repeating: 2, count: seconds / 10)), binSeconds: 10)
        let load = try ComparisonCase(replaying: counts, scaledBy: 2.5, settings: settings)
        return ComparisonReport(load, results: [load.run(.rule), load.run(.hpa)])
    }

    @Test(
        "the objective's percentile has its column, its plot and its figure",
        arguments: [(90.0, "90"), (99.9, "99.9")]
    )
    func percentiles(percentile: Double, text: String) throws {
        let report = try Self.report(seconds: 1200, percentile: percentile)
        #expect(report.title.contains("objective p\(text) 3.00 s"))
        #expect(report.columns.contains("p\(text)"))
        #expect(report.html.contains("<h2>Latency, percentile \(text), seconds;"))
        #expect(report.table.split(separator: "\n").contains { $0.contains("p\(text)") && $0.contains("policy") })
        let result = report.results[1]
        #expect(percentile > 95 ? result.objectiveLatency >= result.p99 : result.objectiveLatency <= result.p95)
        let value = report.json["policies"]?.array?.last?["objectivePercentileSeconds"]?.double
        #expect(value == result.objectiveLatency)
        // Cells and titles go together.
        #expect(report.cells(result).count == report.columns.count)
    }

    @Test("the usual percentiles have one column each")
    func usualPercentiles() throws {
        let report = try Self.report(seconds: 1200)
        #expect(report.columns.filter { $0 == "p95" }.count == 1 && report.columns.count == 11)
    }

    @Test("the rule compares its latency with the objective's percentile")
    func ruleLooksAtTheObjective() {
        func answer(_ percentile: Double) -> Int? {
            var rule = RulePolicy(
                queueTarget: 100,
                latencyTargetSeconds: 1,
                latencyPercentile: percentile,
                concurrency: 4
            )
            var view = FleetView()
            view.desired = 10
            view.ready = 10
            view.readySeconds = 100
            view.outstandingSeconds = 300
            var bins = LatencyBins()
            for index in 0..<100 { bins.record(index < 80 ? 500_000 : 1_400_000) }
            view.latencies = bins
            rule.observe(view)
            return rule.decide(view)
        }
        #expect(answer(75) == 10 && (answer(95) ?? 0) > 10)
    }

    @Test(
        "times are in the unit that fits",
        arguments: [(60, "60.0 s", ">30 s<"), (1200, "20.0 min", ">10 min<"), (10_800, "3.00 h", ">1.5 h<")]
    )
    func units(seconds: Int, title: String, label: String) throws {
        let report = try Self.report(seconds: seconds)
        #expect(report.title.contains(" requests in \(title),"), "\(report.title)")
        // The plot ends where its last bucket begins.
        let bucket = try #require(report.results[0].series?.bucketSeconds)
        let times = (0...seconds / Int(bucket)).map { Double($0) * bucket }
        #expect(SVGPlot(x: times, lines: []).text.contains(label))
    }

    @Test(
        "the marks below a plot are round",
        arguments: [(0.0, 1), (7, 8), (59, 6), (5400, 7), (1_207_440, 7), (4.9e6, 5)]
    )
    func marks(end: Double, count: Int) {
        let marks = TimeSpan.marks(to: end)
        #expect(marks.first == 0 && marks.count == count && (marks.last ?? 0) <= end, "\(marks)")
        #expect(TimeSpan.short(172_800, of: 1_207_440) == "48 h" && TimeSpan.short(5400, of: 9000) == "1.5 h")
    }

    @Test("replica-hours of a small load have digits that say something")
    func smallHours() throws {
        var settings = FleetSettings()
        settings.serviceTime = ServiceTime(.deterministic, meanSeconds: 1)
        let one = ArrivalTrace(name: "x", rows: .counts([1]), binSeconds: 1)
        let load = try ComparisonCase(replaying: one, scaledBy: 1, settings: settings)
        let report = ComparisonReport(load, results: [load.run(.hpa)])
        #expect(report.title.contains(": 1 request in "))
        #expect(!report.cells(report.results[0]).contains("0.00"), "\(report.cells(report.results[0]))")
        #expect(!report.oracleText.contains(" 0.00 "), "\(report.oracleText)")
        #expect(ComparisonReport.hours(3) == "3.00" && ComparisonReport.hours(0) == "0.00")
    }

    @Test("a load's name is text in the page, whatever marks are beside its signs")
    func escaping() throws {
        var report = try Self.report(seconds: 60)
        report.load = "\u{0600}<img src=x> & \u{0600}\"e\u{0301}"
        let page = Array(report.html.utf8)
        #expect(!page.contains(Array("<img".utf8)))
        #expect(page.contains(Array("\u{0600}&lt;img src=x&gt; &amp; \u{0600}&quot;e\u{0301}".utf8)))
    }

    @Test("a value without neighbours is a dot in the plot, others are lines")
    func dots() {
        func path(_ values: [Double?]) -> Substring? {
            let text = SVGPlot(x: [0, 1, 2, 3], lines: [.init("#000", values)]).text
            return text.split(separator: "\n").first { $0.hasPrefix("<path") }
        }
        #expect(path([nil, 1, nil, nil])?.contains("h0\"/>") == true)
        #expect(path([nil, 1, nil, nil])?.contains("stroke-linecap=\"round\"") == true)
        let mixed = path([1, nil, 1, 1])
        #expect(mixed?.split(separator: "h0").count == 2 && mixed?.contains("h0M") == true)
        #expect(path([1, 1, nil, nil])?.contains("h0") == false)
    }

    @Test("the JSON has all that a run needs to be repeated")
    func json() throws {
        let json = try Self.report(seconds: 1200).json
        #expect(json["scale"]?.double == 2.5 && json["intervalSeconds"]?.double == 10)
        #expect(json.at("fleet", "occupancySlope")?.double == 0.1)
        #expect(abs((json.at("fleet", "serviceVariation")?.double ?? 0) - 0.5) < 1e-9)
    }
}
