// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension ComparisonReport {
    /// One colour a policy, told apart by people who see colours differently (Okabe and Ito).
    private static let colours = [
        "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6000", "#000000",
    ]

    /// One page that holds everything: table and plots, no script, nothing loaded from elsewhere.
    public var html: String {
        let drawn = results.filter { $0.series != nil }
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>\(Self.escaped(load)): scaling policies compared</title>
            <style>
            body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #222;
              background: #fff }
            table { border-collapse: collapse; font-variant-numeric: tabular-nums } th, td { text-align: right;
              padding: .2rem .7rem; border-bottom: 1px solid #ddd } th:first-child, td:first-child { text-align: left }
            .late { color: #b00 } svg { width: 100%; height: auto; display: block } svg text { font: 11px system-ui, sans-serif;
              fill: #555 } .grid { stroke: #e4e4e4 } h2 { font-size: 1.05rem; margin: 1.6rem 0 .3rem }
            .key span { display: inline-block; width: .9em; height: .9em; margin: 0 .3em 0 1em; vertical-align: -1px }
            </style></head><body>
            <h1>\(Self.escaped(load))</h1>
            <p>\(Self.escaped(title)).</p>
            \(tableHTML)
            <p>The oracle knows the whole load beforehand and has \(Decimal.text(oracle.attainment * 100, 1)) % on time with \
            \(Decimal.text(oracle.replicaHours, 2)) replica-hours; the work alone takes \(Decimal.text(oracle.workHours, 2)).</p>
            <p class="key">\(key(drawn))</p>
            \(plots(drawn))
            </body></html>

            """
    }

    private var tableHTML: String {
        let head = Self.columns.map { "<th>\($0)</th>" }.joined()
        let rows = results.map { result in
            let cells = cells(result).enumerated().map { column, cell in
                let isLate = column == 1 && result.attainment < goal
                return "<td\(isLate ? " class=\"late\"" : "")>\(Self.escaped(cell))</td>"
            }
            return "<tr>\(cells.joined())</tr>"
        }
        return "<table><tr>\(head)</tr>\n\(rows.joined(separator: "\n"))\n</table>"
    }

    private func key(_ drawn: [RunResult]) -> String {
        drawn.enumerated().map { index, result in
            "<span style=\"background:\(Self.colour(index))\"></span>\(Self.escaped(result.policy))"
        }.joined()
    }

    private func plots(_ drawn: [RunResult]) -> String {
        guard let first = drawn.first?.series else { return "" }
        let hours = (0..<first.count).map { Double($0) * first.bucketSeconds / 3600 }
        let load = first.arrivals.map { Optional(Double($0) / first.bucketSeconds) }
        var parts = ["<h2>Load, requests a second</h2>", SVGPlot(x: hours, lines: [("#555", load)]).text]
        let replicas = drawn.enumerated().map { index, result in
            (Self.colour(index), result.series.map(Self.replicas) ?? [])
        }
        parts += ["<h2>Replicas paid for</h2>", SVGPlot(x: hours, lines: replicas, cap: cap(replicas.map(\.1))).text]
        let latencies = drawn.enumerated().map { index, result in (Self.colour(index), result.series?.p95 ?? []) }
        parts += [
            "<h2>Latency, 95th percentile, seconds; dashed: the objective</h2>",
            SVGPlot(x: hours, lines: latencies, mark: settings.objectiveSeconds, cap: settings.objectiveSeconds * 4)
                .text,
        ]
        return parts.joined(separator: "\n")
    }

    /// Where to cut the plot of replicas off: a policy that overshoots a hundredfold would hide all others.
    private func cap(_ lines: [[Double?]]) -> Double {
        let peaks = lines.map { line in line.compactMap { $0 }.max() ?? 0 }.sorted()
        guard let least = peaks.first(where: { $0 > 0 }) else { return 1 }
        return max(least * 3, 4)
    }

    private static func replicas(_ series: FleetSeries) -> [Double?] {
        zip(series.billed, series.seconds).map { $1 > 0 ? $0 / $1 : nil }
    }

    private static func colour(_ index: Int) -> String { colours[index % colours.count] }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }
}

/// A line plot as SVG.
struct SVGPlot {
    private static let width = 960.0
    private static let height = 220.0
    private static let left = 48.0
    private static let bottom = 24.0
    /// The horizontal positions.
    let x: [Double]
    /// Each line's colour and values; a missing value is a gap.
    let lines: [(String, [Double?])]
    /// A dashed horizontal line.
    var mark: Double?
    /// What is higher is cut off.
    var cap = Double.infinity

    /// The element.
    var text: String {
        let largest = lines.flatMap { $0.1 }.compactMap { $0 }.max() ?? 1
        let top = Self.nice(min(cap, max(largest, (mark ?? 0) * 1.2, 1e-9)))
        let end = max(x.last ?? 1, 1e-9)
        var parts = ["<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\">"]
        for step in 0...4 {
            let value = top * Double(step) / 4
            let line = y(value, top)
            parts.append(
                "<line class=\"grid\" x1=\"\(Int(Self.left))\" x2=\"\(Int(Self.width))\" y1=\"\(line)\" y2=\"\(line)\"/>"
            )
            parts.append(
                "<text x=\"\(Int(Self.left) - 6)\" y=\"\(line)\" dy=\".3em\" text-anchor=\"end\">\(Self.label(value))</text>"
            )
        }
        for step in 0...6 {
            let hour = end * Double(step) / 6
            let anchor = step == 0 ? "start" : step == 6 ? "end" : "middle"
            parts.append(
                "<text x=\"\(position(hour, end))\" y=\"\(Int(Self.height) - 6)\" text-anchor=\"\(anchor)\">\(Decimal.text(hour, 1)) h</text>"
            )
        }
        for (colour, values) in lines {
            parts.append(
                "<path fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.3\" d=\"\(path(values, top, end))\"/>"
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

    private func path(_ values: [Double?], _ top: Double, _ end: Double) -> String {
        var text = ""
        var isPenUp = true
        for (hour, value) in zip(x, values) {
            guard let value else {
                isPenUp = true
                continue
            }
            text += "\(isPenUp ? "M" : "L")\(position(hour, end)) \(y(value, top))"
            isPenUp = false
        }
        return text
    }

    private func y(_ value: Double, _ top: Double) -> String {
        let room = Self.height - Self.bottom - 8
        return Decimal.text(8 + room * (1 - min(value, top) / top), 1)
    }

    private func position(_ hour: Double, _ end: Double) -> String {
        Decimal.text(Self.left + (Self.width - Self.left) * hour / end, 1)
    }

    private static func label(_ value: Double) -> String { Decimal.text(value, value < 10 ? 1 : 0) }

    /// The next of 1, 2, 4, 5 and 8 times a power of ten.
    private static func nice(_ value: Double) -> Double {
        var power = 1.0
        while power < value { power *= 10 }
        while power > value * 10 { power /= 10 }
        for factor in [0.1, 0.2, 0.4, 0.5, 0.8, 1.0] where power * factor >= value { return power * factor }
        return power
    }
}
