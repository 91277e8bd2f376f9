// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import Foundation
import Telemetry

/// `telemetry-bench parse`
struct ParseBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parse",
        abstract:
            "Megabytes a second of processor time: picking what a ServingRuntime names, and keeping every sample.",
        discussion: "Every line is checked in both cases. The best of five rounds counts."
    )

    @Argument(help: "Pages in the Prometheus text format; two pages of our own are always measured.")
    var pages: [String] = []

    @Option(help: "How many megabytes each round reads.")
    var megabytes: Double = 50

    func run() async throws {
        print(
            "page".padded(24) + "bytes".padded(10) + "lines".padded(8) + "pick MB/s".padded(12) + "all MB/s".padded(12)
                + "+ signals"
        )
        try measure("synthetic (vLLM)", SamplePage.synthetic())
        try measure("alternating names", SamplePage.alternating())
        for path in pages {
            try measure(URL(filePath: path).lastPathComponent, try Self.page(at: path))
        }
    }

    private static func page(at path: String) throws -> [UInt8] {
        do {
            return Array(try Data(contentsOf: URL(filePath: path)))
        } catch {
            throw ValidationError("the page \(path) can't be read: \(error.localizedDescription)")
        }
    }

    private func measure(_ name: String, _ page: [UInt8]) throws {
        let mapping = name.contains("triton") ? SamplePage.triton : SamplePage.vllm
        let now = mapping
        let pick = try rate(page) { _ = try ExpositionParser.parse(page, selection: now.selection) }
        let all = try rate(page) { _ = try ExpositionParser.parse(page) }
        let signals = try rate(page) {
            let picked = try ExpositionParser.parse(page, selection: now.selection)
            _ = ReplicaScrape(page: picked, mapping: now, time: .init(seconds: 0))
        }
        let lines = page.count { $0 == UInt8(ascii: "\n") }
        print(
            name.padded(24) + "\(page.count)".padded(10) + "\(lines)".padded(8) + "\(Int(pick))".padded(12)
                + "\(Int(all))".padded(12) + "\(Int(signals))"
        )
    }

    private func rate(_ page: [UInt8], _ body: () throws -> Void) throws -> Double {
        let rounds = max(1, Int(megabytes * 1e6) / max(1, page.count))
        var best = 0.0
        for _ in 0..<5 {
            let start = CPUTime.seconds
            for _ in 0..<rounds { try body() }
            best = max(best, Double(page.count * rounds) / max(CPUTime.seconds - start, 1e-9) / 1e6)
        }
        return best
    }
}

extension String {
    /// The text with blanks up to a width.
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
