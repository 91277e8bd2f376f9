// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One measured number.
struct Figure: Codable, Sendable {
    /// What was measured, with its unit: `cold start, 5000 models: time`.
    var name: String
    /// The number.
    var value: Double
    /// The unit: `s`, `MiB`, `ms`, `/s`, `%`, or empty for a count.
    var unit: String
    /// The most that was hoped for; `nil` where there is no goal.
    var goal: Double?
    /// What else to know.
    var note: String = ""

    /// A figure.
    init(_ name: String, _ value: Double, _ unit: String, goal: Double? = nil, note: String = "") {
        self.name = name
        self.value = value
        self.unit = unit
        self.goal = goal
        self.note = note
    }

    /// The number as people read it.
    var text: String { Self.text(value, unit) }

    /// The goal as people read it; empty without one.
    var goalText: String { goal.map { "≤ \(Self.text($0, unit))" } ?? "" }

    /// One line while the benchmark runs.
    var line: String {
        let goal = goalText.isEmpty ? "" : " (goal \(goalText))"
        return "\(name): \(text)\(goal)\(note.isEmpty ? "" : " — \(note)")"
    }

    private static func text(_ value: Double, _ unit: String) -> String {
        let digits = value >= 100 || value == value.rounded() ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let rounded = (value * scale).rounded() / scale
        let number = digits == 0 ? String(Int64(rounded)) : String(rounded)
        return unit.isEmpty ? number : unit.hasPrefix("/") ? number + unit : "\(number) \(unit)"
    }
}
