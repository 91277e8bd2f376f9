// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// One column of a table: its definition, and its cell for an object at a time.
struct TableColumn: Sendable {
    /// The heading.
    var name: String
    /// `string`, `integer`, `date` and the like.
    var type = "string"
    /// `name` for the column with the name.
    var format = ""
    /// What the column shows.
    var about: String
    /// Zero for columns that are always shown, more for those of `-o wide`.
    var priority = 0
    /// The cell.
    var cell: @Sendable (KubeObject, WallTime) -> JSONValue

    /// A column.
    init(
        _ name: String,
        type: String = "string",
        format: String = "",
        about: String,
        wide: Bool = false,
        cell: @escaping @Sendable (KubeObject, WallTime) -> JSONValue
    ) {
        self.name = name
        self.type = type
        self.format = format
        self.about = about
        priority = wide ? 1 : 0
        self.cell = cell
    }

    /// The definition.
    var json: JSONValue {
        [
            "name": .string(name), "type": .string(type), "format": .string(format), "description": .string(about),
            "priority": JSONValue(priority),
        ]
    }
}

/// Durations as `kubectl` shows them: `5s`, `3m20s`, `2d4h`.
enum HumanDuration {
    /// The text of a number of seconds (k8s.io/apimachinery, `duration.HumanDuration`).
    static func text(seconds: Int64) -> String {
        if seconds < -1 { return "<invalid>" }
        if seconds < 0 { return "0s" }
        if seconds < 120 { return "\(seconds)s" }
        let minutes = seconds / 60
        if minutes < 10 { return pair(minutes, "m", seconds % 60, "s") }
        if minutes < 180 { return "\(minutes)m" }
        let hours = minutes / 60
        if hours < 8 { return pair(hours, "h", minutes % 60, "m") }
        if hours < 48 { return "\(hours)h" }
        if hours < 192 { return pair(hours / 24, "d", hours % 24, "h") }
        if hours < 8760 * 2 { return "\(hours / 24)d" }
        if hours < 8760 * 8 { return pair(hours / 8760, "y", hours / 24 % 365, "d") }
        return "\(hours / 8760)y"
    }

    /// The time from a timestamp to now; `<unknown>` without one.
    static func since(_ timestamp: JSONValue?, _ now: WallTime) -> String {
        guard let time = timestamp?.string.flatMap(WallTime.init(rfc3339:)) else { return "<unknown>" }
        return text(seconds: (now - time).wholeNanoseconds / 1_000_000_000)
    }

    private static func pair(_ first: Int64, _ unit: String, _ second: Int64, _ smaller: String) -> String {
        second == 0 ? "\(first)\(unit)" : "\(first)\(unit)\(second)\(smaller)"
    }
}
