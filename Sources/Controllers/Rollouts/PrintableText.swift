// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What others say, for a status or a terminal: a server's answer, a metric's label, an error.
enum PrintableText {
    /// The most characters (Unicode scalars) that are kept.
    static let limit = 300

    /// One line of printable text of bounded length: each control character and line break becomes a space, and what is left out `…`.
    static func line(_ text: String, limit: Int = limit) -> String {
        let isCut = text.unicodeScalars.dropFirst(limit).first != nil
        let scalars = text.unicodeScalars.prefix(isCut ? limit - 1 : limit).map { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse: " " as Unicode.Scalar
            default: scalar
            }
        }
        var result = ""
        result.unicodeScalars.append(contentsOf: scalars)
        return isCut ? result + "…" : result
    }
}
