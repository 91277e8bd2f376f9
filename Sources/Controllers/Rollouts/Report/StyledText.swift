// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A line of a report: pieces of text, each with what it means.
public struct StyledLine: Sendable, Hashable {
    /// What a piece means.
    public enum Tone: Sendable, Hashable {
        /// Nothing special.
        case plain
        /// All is well.
        case good
        /// Something is wrong.
        case bad
        /// Something waits or moves.
        case active
        /// Less important.
        case dim

        /// The SGR code of ECMA-48; empty for plain text.
        var code: String {
            switch self {
            case .plain: ""
            case .good: "32"
            case .bad: "31"
            case .active: "36"
            case .dim: "2"
            }
        }
    }

    private struct Piece: Sendable, Hashable {
        var text: String
        var tone: Tone
    }

    /// The most characters of a piece: a condition's message ends with what to do.
    private static let mostCharacters = 1000

    private var pieces: [Piece] = []

    /// A line of one piece.
    init(_ text: String = "", _ tone: Tone = .plain) { add(text, tone) }

    /// Adds a piece; what isn't printable becomes a space, since status and pods' messages come from elsewhere.
    mutating func add(_ text: String, _ tone: Tone = .plain) {
        guard !text.isEmpty else { return }
        pieces.append(Piece(text: PrintableText.line(text, limit: Self.mostCharacters), tone: tone))
    }

    /// The line without colours.
    public var plain: String {
        var text = pieces.map(\.text).joined()
        while text.hasSuffix(" ") { text.removeLast() }
        return text
    }

    /// The line with colours for a terminal, at most so many characters wide.
    public func colored(width: Int) -> String {
        var room = max(0, width)
        var text = ""
        for piece in pieces where room > 0 {
            let shown = piece.text.count > room ? piece.text.prefix(max(0, room - 1)) + "…" : piece.text[...]
            room -= shown.count
            text += piece.tone == .plain ? String(shown) : "\u{1b}[\(piece.tone.code)m\(shown)\u{1b}[0m"
        }
        return text
    }

    /// A span of time as people read it: `42 s`, `4 m 12 s`, `3 h 5 m`, `2 d 3 h`; `0 s` where it is negative.
    static func span(seconds: Double) -> String {
        let seconds = Int(min(max(0, seconds), 1e12))
        switch seconds {
        case ..<60: return "\(seconds) s"
        case ..<3600: return "\(seconds / 60) m" + (seconds % 60 == 0 ? "" : " \(seconds % 60) s")
        case ..<86_400: return "\(seconds / 3600) h" + (seconds % 3600 < 60 ? "" : " \(seconds % 3600 / 60) m")
        default: return "\(seconds / 86_400) d" + (seconds % 86_400 < 3600 ? "" : " \(seconds % 86_400 / 3600) h")
        }
    }

    /// Rows as lines with columns as wide as their widest cell, two spaces between them.
    static func table(_ rows: [[String]]) -> [StyledLine] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.map { $0.indices.contains(column) ? PrintableText.line($0[column], limit: mostCharacters).count : 0 }
                .max() ?? 0
        }
        return rows.map { row in
            var line = StyledLine()
            for (column, cell) in row.enumerated() {
                let cell = PrintableText.line(cell, limit: mostCharacters)
                line.add(cell + String(repeating: " ", count: max(0, widths[column] - cell.count) + 2))
            }
            return line
        }
    }
}
