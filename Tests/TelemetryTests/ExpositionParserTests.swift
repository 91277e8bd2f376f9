// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Telemetry

@Suite("Exposition parser")
struct ExpositionParserTests {
    private func parse(_ text: String, _ format: ExpositionFormat = .prometheusText) throws -> MetricsPage {
        try ExpositionParser.parse(Array(text.utf8), format: format)
    }

    @Test("reads names, labels, escapes, values and times")
    func reads() throws {
        let page = try parse(
            "# HELP a some\\n help\n# TYPE a counter\na{x=\"1\",y=\"q\\\"\\\\\\n\",} 2.5 99\n b:c -Inf\nd{ } +Inf\n"
        )
        #expect(page.families["a"] == MetricsPage.Family(type: .counter, help: "some\n help"))
        #expect(page.samples.map(\.name) == ["a", "b:c", "d"])
        #expect(page.samples.first?[label: "y"] == "q\"\\\n")
        #expect(page.samples.first?.timestampMilliseconds == 99)
        #expect(page.samples.map(\.value) == [2.5, -.infinity, .infinity])
        #expect(page.offeredNames == ["a", "b:c", "d"])
    }

    @Test("reads quoted names of UTF-8 in both formats, wherever in the braces the name stands")
    func quotedNames() throws {
        let text = "# TYPE \"a.ä\" gauge\n{\"a.ä\",\"b.c\"=\"1\"} 1\n{d=\"2\",\"a.ä\"} 2\nplain{\"b.c\"=\"3\"} 3\n"
        for page in [try parse(text), try parse(text + "# EOF\n", .openMetrics)] {
            #expect(page.samples.map(\.name) == ["a.ä", "a.ä", "plain"])
            #expect(page.samples.map { $0[label: "b.c"] } == ["1", nil, "3"])
            #expect(page.families["a.ä"]?.type == .gauge)
        }
        let selection = MetricSelection(names: ["a\"b"])
        let escaped = Array("{\"a\\\"b\"} 7\n{\"a\\\"c\"} 8\n".utf8)
        #expect(try ExpositionParser.parse(escaped, selection: selection).samples.map(\.value) == [7])
    }

    @Test("reads exemplars, units and seconds in OpenMetrics")
    func openMetrics() throws {
        let page = try parse(
            "# TYPE s_seconds counter\n# UNIT s_seconds seconds\ns_seconds_total{a=\"b\"} 3 1.5 # {id=\"x\"} 0.5 1e3\n# EOF\n",
            .openMetrics
        )
        #expect(page.samples.first?.timestampMilliseconds == 1500)
        #expect(page.families["s_seconds"] == MetricsPage.Family(type: .counter, unit: "seconds"))
        #expect(page.samples.first?.labels.count == 1)
    }

    @Test(
        "refuses what is malformed, with the line",
        arguments: [
            ("a 1\nb 2", 2), ("a{x=\"1\"\n} 2\n", 1), ("\n\na b\n", 3), ("{x=\"1\"} 2\n", 1), ("a 1 2 3\n", 1),
            ("a{x=\"1\",x=\"2\"} 1\n", 1), ("a{__name__=\"b\"} 1\n", 1), ("a 1e999\n", 1), ("a +NaN\n", 1),
            ("1a 2\n", 1),
            ("a{b=\"c\"d=\"e\"} 1\n", 1), ("a{\"\"=\"c\"} 1\n", 1), ("ok 1\n# TYPE a meh\n", 2), ("a{,} 1\n", 1),
            ("a{b=\"\\", 1), ("a", 1), ("{", 1), ("#", 1), ("a\r 1\n", 1),
        ]
    )
    func refuses(text: String, line: Int) {
        #expect { try parse(text) } throws: { ($0 as? ExpositionError)?.line == line }
    }

    @Test("never crashes on a cut or changed page, and answers the same for any chunks")
    func survives() {
        let texts: [(String, ExpositionFormat)] = [
            (
                "# TYPE a histogram\na_bucket{le=\"0.1\"} 3\na_sum 1e3\n{\"q.r\",b=\"\\n\"} NaN 12\n# HELP x ä\\n\n",
                .prometheusText
            ),
            ("# TYPE a counter\n# UNIT a \na_total{l=\"ä\"} 3 1 # {i=\"x\"} 1 2\n# EOF\n", .openMetrics),
        ]
        for (text, format) in texts {
            let bytes = Array(text.utf8)
            for end in bytes.indices {
                let cut = Array(bytes[..<end])
                #expect(
                    PageOutcome(cut, format: format, chunk: 1) == PageOutcome(cut, format: format, chunk: cut.count)
                )
            }
            for index in bytes.indices {
                for byte: UInt8 in [0, 9, 10, 32, 34, 35, 44, 45, 61, 92, 123, 125, 195, 255] {
                    var changed = bytes
                    changed[index] = byte
                    let whole = PageOutcome(changed, format: format, chunk: changed.count)
                    #expect(PageOutcome(changed, format: format, chunk: 5) == whole)
                }
            }
        }
    }

    @Test(
        "real pages, mutated and cut at random, never crash it",
        .enabled(if: ReferenceData.isPresent),
        .timeLimit(.minutes(5))
    )
    func mutatedPages() throws {
        let random = SeededRandom(seed: 17)
        for server in ReferenceData.servers {
            let page = try ReferenceData.page(server)
            for _ in 0..<60 {
                var changed = Array(page.prefix(Int(random.next() % UInt64(page.count)) + 1))
                for _ in 0..<(random.next() % 8) {
                    changed[Int(random.next() % UInt64(changed.count))] = UInt8(truncatingIfNeeded: random.next())
                }
                let sizes = (0..<7).map { _ in Int(random.next() % 900) + 1 }
                let format: ExpositionFormat = random.next() % 2 == 0 ? .prometheusText : .openMetrics
                let whole = PageOutcome(changed, format: format, chunk: changed.count)
                #expect(PageOutcome(changed, format: format, chunks: sizes) == whole)
            }
        }
    }

    @Test(
        "a line means the same behind lines that have parts of it as it does alone",
        arguments: [1, 2, 3] as [UInt64]
    )
    func repeatedParts(seed: UInt64) {
        let random = SeededRandom(seed: seed)
        func one(of texts: [String]) -> String { texts[Int(random.next() % UInt64(texts.count))] }
        let names = [
            "q", "queue", "queue_total", "queue:x", "a_metric_with_a_long_name", "a_metric_with_a_long_name_sum",
        ]
        let labels = [
            "model=\"bert-base-uncased\"", "model=\"bert-base-uncased-2\"", "le=\"0.1\"", "le=\"0.25\"", "le = \"0.1\"",
            "model=\"a \\\"quoted\\\" one\"", "\"a.b\"=\"x\"", "a.b\"=\"x\"", "\"model\"=\"bert-base-uncased\"",
            "\"queue\"",
            "é=\"x\"",
        ]
        var failures = 0
        for _ in 0..<2000 {
            var lines: [String] = []
            for _ in 0..<6 {
                switch random.next() % 6 {
                case 0: lines.append("# TYPE \(one(of: names + ["\"queue total\""])) gauge\n")
                case 1: lines.append("# HELP \(one(of: names)) Déjà vu.\n")
                case 2: lines.append("\(one(of: names)) \(one(of: ["1", "2.0", "x"]))\n")
                default:
                    let some = (0..<(random.next() % 4)).map { _ in one(of: labels.dropLast(Int(random.next() % 6))) }
                    let name = one(of: names + names + [""])
                    lines.append("\(name){\(some.joined(separator: one(of: [",", ",", " , "])))} 3\n")
                }
            }
            let page = Array(lines.joined().utf8)
            let alone = PageOutcome(page, chunks: lines.map(\.utf8.count))
            if alone.error != nil { failures += 1 }
            #expect(PageOutcome(page, chunk: page.count) == alone, "\(lines.joined())")
        }
        #expect((100...1900).contains(failures), "pages of both kinds")
    }

    @Test(
        "a selection keeps exactly what parsing everything keeps of those names",
        .enabled(if: ReferenceData.isPresent)
    )
    func selections() throws {
        for server in ReferenceData.servers {
            let bytes = try ReferenceData.page(server)
            let all = try ExpositionParser.parse(bytes)
            #expect(all.count > 10, "\(server)")
            let names = Set(all.samples.map(\.name))
            for (turn, name) in names.sorted().enumerated() {
                let picked = Set([name, names.sorted()[turn / 2], "not_there"])
                let outcome = PageOutcome(bytes, chunks: [977], selection: MetricSelection(names: picked))
                #expect(outcome.samples == all.samples.filter { picked.contains($0.name) }.map { "\($0)" })
                #expect(outcome.offered == all.offeredNames)
            }
        }
    }

    @Test("refuses label values that are no UTF-8, also behind a backslash")
    func invalidUTF8() {
        for middle: [UInt8] in [
            [0xff], [0x5c, 0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0x80],
        ] {
            let page = Array("a{b=\"".utf8) + middle + Array("\"} 1\n".utf8)
            #expect(throws: ExpositionError.self) { try ExpositionParser.parse(page) }
        }
    }

    @Test("keeps to its limits")
    func limits() {
        let page = Array(String(repeating: "a 1\n", count: 11).utf8)
        let labels = Array("a{b=\"1\",c=\"2\"} 1\n".utf8)
        let line = Array(("# " + String(repeating: "x", count: 50)).utf8)
        for (bytes, limits) in [
            (page, ExpositionLimits(bytes: 40)), (page, ExpositionLimits(samples: 10)),
            (labels, ExpositionLimits(labels: 1)), (line, ExpositionLimits(lineBytes: 40)),
        ] {
            #expect(throws: ExpositionError.self) { try ExpositionParser.parse(bytes, limits: limits) }
        }
        #expect((try? ExpositionParser.parse(page, limits: ExpositionLimits(samples: 11)))?.count == 11)
    }

    @Test("names the format by the content type")
    func contentTypes() {
        #expect(
            ExpositionFormat(contentType: "application/openmetrics-text; version=1.0.0; charset=utf-8") == .openMetrics
        )
        #expect(ExpositionFormat(contentType: "text/plain; version=0.0.4") == .prometheusText)
        #expect(ExpositionFormat(contentType: nil) == .prometheusText)
        #expect(ExpositionFormat(contentType: "text/html") == nil)
        #expect(ExpositionFormat(contentType: "application/vnd.google.protobuf; proto=x") == nil)
    }

    // MARK: Numbers

    private func number(_ text: String) -> Double? {
        ExpositionNumber.parse(Array(text.utf8).span, 0, text.utf8.count)
    }

    @Test("reads every number as the C library does, to the last bit")
    func numbers() {
        let random = SeededRandom(seed: 5)
        var texts = [
            "0", "-0", "1.", ".5", "1e22", "1e23", "9007199254740993", "18446744073709551615", "1e-400", "5e-324",
        ]
        texts += [
            "0.013300656000000001", "123456789012345678901234567890", "2.2250738585072011e-308",
            "1.7976931348623157e308",
        ]
        for _ in 0..<20_000 {
            let value = Double(bitPattern: random.next())
            if value.isFinite { texts.append("\(value)") }
            let digits = String(random.next() >> (random.next() % 64))
            let point = Int(random.next() % UInt64(digits.count + 1))
            let power = Int(random.next() % 60) - 30
            let split = digits.index(digits.startIndex, offsetBy: point)
            texts.append("\(digits[..<split]).\(digits[split...])\(random.next() % 2 == 0 ? "" : "e\(power)")")
        }
        for text in texts {
            let padded = text.hasPrefix(".") ? "0" + text : text
            let plain = padded.hasSuffix(".") ? padded + "0" : padded.replacing(".e", with: ".0e")
            #expect(number(text)?.bitPattern == Double(plain)?.bitPattern, "\(text)")
        }
    }

    @Test(
        "refuses what is no number for Prometheus",
        arguments: [
            "", "-", ".", "e5", "1e", "1e+", "0x1p-3", "1_000", "0b1", "1.1.1", "1e999", "+nan", "infi", " 1", "1 ",
        ]
    )
    func noNumbers(text: String) { #expect(number(text) == nil) }

    @Test("reads the words for infinity and not-a-number in any case")
    func words() {
        #expect(number("+Inf") == .infinity)
        #expect(number("-infinity") == -.infinity)
        #expect(number("NaN")?.isNaN == true)
        #expect(number("nan")?.isNaN == true)
    }
}
