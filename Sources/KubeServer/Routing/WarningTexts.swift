// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Keeps warnings within what headers may hold.
enum WarningTexts {
    /// How many characters all warnings have together, as in the API server.
    private static let total = 4096
    /// How many characters one warning has where not all fit in full, as in the API server.
    private static let each = 256
    /// The most warnings: clients bound the number of header fields.
    private static let maximum = 64

    /// The warnings to send, each once: in full where all fit, otherwise cut, and as many as fit.
    static func bounded(_ warnings: [String]) -> [String] {
        var seen: Set<String> = []
        let texts = warnings.filter { seen.insert($0).inserted }.prefix(maximum)
        if texts.reduce(0, { $0 + $1.unicodeScalars.count }) <= total { return Array(texts) }
        var room = total
        return texts.map { String($0.unicodeScalars.prefix(each)) }
            .prefix { text in
                room -= text.unicodeScalars.count
                return room >= 0
            }
    }
}
