// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// What somebody may have meant who wrote a word that doesn't exist.
enum Spelling {
    /// What is wrong with the first word of a command line that names no command where one has to stand, and which ones were
    /// perhaps meant; `nil` without such a word.
    ///
    /// The argument parser calls it an unexpected argument. Misspelled options it knows itself.
    static func unknownCommand(in arguments: [String], of root: any ParsableCommand.Type) -> String? {
        var command = root
        var path = ""
        for word in arguments {
            let subcommands = command.configuration.subcommands
            if subcommands.isEmpty || word.hasPrefix("-") || word == "help" { return nil }
            guard let next = subcommands.first(where: { $0.configuration.commandName == word }) else {
                let shown = subcommands.map { $0.configuration }.filter(\.shouldDisplay)
                return "there is no command '\(path)\(word)'" + hint(word, shown.compactMap(\.commandName), after: path)
            }
            command = next
            path += "\(word) "
        }
        return nil
    }

    /// `; did you mean 'get'?`, with `path` before each name; nothing where no name is near.
    static func hint(_ word: String, _ names: some Sequence<String>, after path: String = "") -> String {
        let quoted = near(word, names).map { "'\(path)\($0)'" }
        guard let last = quoted.last else { return "" }
        let others = quoted.dropLast().joined(separator: ", ")
        return "; did you mean \(others.isEmpty ? "" : others + " or ")\(last)?"
    }

    /// The names that `word` may stand for, the nearest first, three at most: those that begin with it, and those that
    /// differ by a slip (a letter too many, too few, another one, two exchanged) for each three letters.
    static func near(_ word: String, _ names: some Sequence<String>) -> [String] {
        let limit = max(1, word.count / 3)
        return
            names.map { name in
                (name, distance: name.hasPrefix(word) && word.count > 1 ? 1 : distance(word, name))
            }
            .filter { $0.distance <= limit }
            .sorted { ($0.distance, $0.0) < ($1.distance, $1.0) }
            .prefix(3).map(\.0)
    }

    /// How many slips lead from one word to the other (optimal string alignment). O(length of both, multiplied).
    private static func distance(_ left: String, _ right: String) -> Int {
        let left = Array(left)
        let right = Array(right)
        guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
        var rows = [Array(0...right.count)]
        for row in 1...left.count {
            var current = [row]
            for column in 1...right.count {
                let isSame = left[row - 1] == right[column - 1]
                var best = min(
                    rows[row - 1][column] + 1,
                    current[column - 1] + 1,
                    rows[row - 1][column - 1] + (isSame ? 0 : 1)
                )
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                    best = min(best, rows[row - 2][column - 2] + 1)
                }
                current.append(best)
            }
            rows.append(current)
        }
        return rows[left.count][right.count]
    }
}
