// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A line plot as SVG.
struct SVGPlot {
    /// How a line is drawn.
    enum Style: String {
        /// As most are.
        case plain = "stroke-width=\"1.3\""
        /// The one that the page is about.
        case strong = "stroke-width=\"2.4\""
        /// One that may lie on another.
        case dashed = "stroke-width=\"1.3\" stroke-dasharray=\"5 4\""
        /// A background.
        case faint = "stroke-width=\"1.3\" opacity=\".55\""
    }

    /// A line.
    struct Line {
        /// Its colour in CSS.
        let colour: String
        /// Its values; a missing value is a gap.
        let values: [Double?]
        /// How it is drawn.
        let style: Style

        /// A line.
        init(_ colour: String, _ values: [Double?], style: Style = .plain) {
            self.colour = colour
            self.values = values
            self.style = style
        }
    }

    private static let width = 960.0
    private static let height = 220.0
    private static let left = 48.0
    private static let bottom = 24.0
    /// The horizontal positions in seconds.
    let x: [Double]
    /// The lines, the last on top.
    let lines: [Line]
    /// A dashed horizontal line.
    var mark: Double?
    /// What is higher is cut off.
    var cap = Double.infinity

    private var largest: Double { lines.flatMap(\.values).compactMap { $0 }.max() ?? 1 }

    /// The value at the upper edge.
    private var top: Double { Self.nice(min(cap, max(largest, (mark ?? 0) * 1.2, 1e-9))) }

    /// For the title, where something is cut off: `; cut off at 20, the highest is 100`.
    var cutText: String {
        largest > top ? "; cut off at \(Self.label(top, top)), the highest is \(Self.label(largest, top))" : ""
    }

    /// The element.
    var text: String {
        let top = top
        let end = max(x.last ?? 1, 1e-9)
        var parts = ["<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\">"]
        for step in 0...4 {
            let value = top * Double(step) / 4
            let line = y(value, top)
            parts.append(
                "<line class=\"grid\" x1=\"\(Int(Self.left))\" x2=\"\(Int(Self.width))\" y1=\"\(line)\" y2=\"\(line)\"/>"
            )
            parts.append(
                "<text x=\"\(Int(Self.left) - 6)\" y=\"\(line)\" dy=\".3em\" text-anchor=\"end\">\(Self.label(value, top))</text>"
            )
        }
        for time in TimeSpan.marks(to: end) {
            let anchor = time == 0 ? "start" : time > end * 0.97 ? "end" : "middle"
            parts.append(
                "<text x=\"\(position(time, end))\" y=\"\(Int(Self.height) - 6)\" text-anchor=\"\(anchor)\">\(TimeSpan.short(time, of: end))</text>"
            )
        }
        for line in lines {
            let path = path(line.values, top, end)
            parts.append(
                "<path fill=\"none\" stroke-linecap=\"round\" stroke=\"\(line.colour)\" \(line.style.rawValue) d=\"\(path)\"/>"
            )
        }
        if let mark, mark <= top {
            let line = y(mark, top)
            parts.append(
                "<line x1=\"\(Int(Self.left))\" x2=\"\(Int(Self.width))\" y1=\"\(line)\" y2=\"\(line)\" stroke=\"#b00\" stroke-dasharray=\"6 4\"/>"
            )
        }
        return (parts + ["</svg>"]).joined(separator: "\n")
    }

    /// A line through the values; one without neighbours is a dot: a line of no length with a round end.
    private func path(_ values: [Double?], _ top: Double, _ end: Double) -> String {
        var text = ""
        var drawn = 0
        for (time, value) in zip(x, values) {
            guard let value else {
                if drawn == 1 { text += "h0" }
                drawn = 0
                continue
            }
            text += "\(drawn == 0 ? "M" : "L")\(position(time, end)) \(y(value, top))"
            drawn += 1
        }
        return drawn == 1 ? text + "h0" : text
    }

    private func y(_ value: Double, _ top: Double) -> String {
        let room = Self.height - Self.bottom - 8
        return Decimal.text(8 + room * (1 - min(value, top) / top), 1)
    }

    private func position(_ time: Double, _ end: Double) -> String {
        Decimal.text(Self.left + (Self.width - Self.left) * time / end, 1)
    }

    /// A number on an axis that ends at `top`: all with as many digits as a quarter of it takes.
    private static func label(_ value: Double, _ top: Double) -> String {
        Decimal.text(value, top >= 12 ? 0 : top >= 1.2 ? 1 : top >= 0.12 ? 2 : 4)
    }

    /// The next number above `value` whose quarters are round.
    private static func nice(_ value: Double) -> Double {
        var power = 1.0
        while power < value { power *= 10 }
        while power > value * 10 { power /= 10 }
        for factor in [0.12, 0.16, 0.2, 0.24, 0.28, 0.32, 0.4, 0.6, 0.8, 1.0] where power * factor >= value {
            return power * factor
        }
        return power
    }
}
