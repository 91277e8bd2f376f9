// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A line on standard error that is written over; elsewhere than on a terminal a line every ten calls.
final class StatusLine: Sendable {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let count = Counter()

    /// Shows `text` instead of what stood there.
    func show(_ text: String) {
        if isTerminal {
            write("\r\u{1b}[2K" + text)
        } else if count.next() % 10 == 1 {
            write(text + "\n")
        }
    }

    /// Empties the line.
    func clear() { if isTerminal { write("\r\u{1b}[2K") } }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
