// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The size of a terminal.
struct TerminalSize {
    /// The lines.
    var rows: Int
    /// The characters of a line.
    var columns: Int

    /// The size of the terminal on standard output now; `nil` where there is none that can draw.
    static var ofOutput: TerminalSize? {
        guard isatty(STDOUT_FILENO) == 1, ProcessInfo.processInfo.environment["TERM"] != "dumb" else { return nil }
        var size = winsize()
        // SAFETY: the call writes one `winsize`, and `size` is one.
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else {
            return TerminalSize(rows: 24, columns: 80)
        }
        return TerminalSize(rows: Int(size.ws_row), columns: Int(size.ws_col))
    }
}
