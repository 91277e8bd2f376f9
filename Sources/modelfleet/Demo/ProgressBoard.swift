// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What the demo shows: on a terminal a block of lines that is drawn anew, elsewhere a plain line for each news.
struct ProgressBoard {
    /// The lines that are done.
    private var done: [String] = []
    /// The line in progress.
    private var phase = ""
    /// One line a replica, below the phase.
    private var details: [String] = []
    private var drawnLines = 0
    private let isTerminal: Bool
    private let width: Int

    /// A board on standard output.
    init() {
        isTerminal = isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
        width = Int(ProcessInfo.processInfo.environment["COLUMNS"] ?? "") ?? 100
    }

    /// Says what is awaited now.
    mutating func begin(_ text: String) {
        phase = text
        if isTerminal { draw() } else { plain("… \(text)") }
    }

    /// Replaces the line in progress; a plain output keeps silent, its news come through `note`.
    mutating func update(_ text: String, details: [String] = []) {
        phase = text
        self.details = details
        if isTerminal { draw() }
    }

    /// A line that plain outputs show and terminals don't need.
    func note(_ text: String) { if !isTerminal { plain("  \(text)") } }

    /// Ends the line in progress as done.
    mutating func finish(_ text: String) {
        done.append(text)
        phase = ""
        details = []
        if isTerminal { draw() } else { plain("✓ \(text)") }
    }

    private func plain(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

    private mutating func draw() {
        var lines = done.map { "\u{1b}[32m✓\u{1b}[0m " + clipped($0) }
        if !phase.isEmpty { lines.append("\u{1b}[36m▸\u{1b}[0m " + clipped(phase)) }
        lines += details.map { "    " + clipped($0) }
        var text = drawnLines > 0 ? "\u{1b}[\(drawnLines)A\r" : ""
        for line in lines { text += "\u{1b}[2K" + line + "\n" }
        text += "\u{1b}[0J"
        drawnLines = lines.count
        FileHandle.standardOutput.write(Data(text.utf8))
    }

    private func clipped(_ text: String) -> String { String(text.prefix(max(20, width - 5))) }
}
