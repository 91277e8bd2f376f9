// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation

/// All figures of one run of the program.
struct Report: Codable {
    /// The machine and the versions.
    var setting: [String: String]
    /// The figures in the order in which they were measured.
    var figures: [Figure] = []

    /// An empty report.
    init(_ plan: BenchPlan) {
        setting = [
            "operator": plan.subject.rawValue,
            "server": plan.kubeconfig == nil ? "modelfleet local --only-api-server" : "MODELFLEET_BENCH_KUBECONFIG",
            "processors": String(ProcessInfo.processInfo.activeProcessorCount),
            "processor": Self.processor, "system": ProcessInfo.processInfo.operatingSystemVersionString,
            "date": SystemTime().now().rfc3339,
        ]
    }

    /// Adds figures.
    mutating func add(_ more: [Figure]) { figures += more }

    /// A table in Markdown.
    var table: String {
        let rows =
            [["what", "measured", "goal", "note"]] + figures.map { [$0.name, $0.text, $0.goalText, $0.note] }
        let widths = (0..<4).map { column in rows.map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            "| "
                + zip(cells, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
                .joined(separator: " | ") + " |"
        }
        let rule = "|" + widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "|") + "|"
        return ([line(rows[0]), rule] + rows.dropFirst().map(line)).joined(separator: "\n")
    }

    /// Writes the JSON, and makes its folder.
    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let url = URL(fileURLWithPath: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try encoder.encode(self).write(to: url)
    }

    private static var processor: String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
    }
}
