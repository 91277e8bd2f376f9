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
            table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem } th, td { text-align: right;
              padding: .2rem .55rem; border-bottom: 1px solid #ddd } td { white-space: nowrap } th:first-child, td:first-child { text-align: left }
            .wide { overflow-x: auto } .late { color: #b00 }
            svg { width: 100%; height: auto; display: block } svg text { font: 11px system-ui, sans-serif;
              fill: #555 } .grid { stroke: #e4e4e4 } h2 { font-size: 1.05rem; margin: 1.6rem 0 .3rem }
            .key span { display: inline-block; width: .9em; height: .9em; margin: 0 .3em 0 1em; vertical-align: -1px }
            </style></head><body>
            <h1>\(Self.escaped(load))</h1>
            <p>\(Self.escaped(title)).</p>
            \(tableHTML)
            \(notes.map { "<p>\(Self.escaped($0)).</p>" }.joined(separator: "\n"))
            <p class="key">\(key(drawn))</p>\(points(drawn))
            \(plots(drawn))
            </body></html>

            """
    }

    private var tableHTML: String {
        let head = columns.map { "<th>\($0)</th>" }.joined()
        let rows = results.map { result in
            let cells = cells(result).enumerated().map { column, cell in
                let isLate = column == 1 && result.attainment < goal
                return "<td\(isLate ? " class=\"late\"" : "")>\(Self.escaped(cell))</td>"
            }
            return "<tr>\(cells.joined())</tr>"
        }
        return "<div class=\"wide\"><table><tr>\(head)</tr>\n\(rows.joined(separator: "\n"))\n</table></div>"
    }

    private func key(_ drawn: [RunResult]) -> String {
        drawn.enumerated().map { index, result in
            "<span style=\"background:\(Self.colour(index))\"></span>\(Self.escaped(result.policy))"
        }.joined()
    }

    /// What a point of the plots is, since the table's peaks and worst minutes are shorter.
    private func points(_ drawn: [RunResult]) -> String {
        guard let seconds = drawn.first?.series?.bucketSeconds else { return "" }
        return
            "<p>In the plots a point is \(TimeSpan.short(seconds, of: seconds)); load and replicas are its means.</p>"
    }

    private func plots(_ drawn: [RunResult]) -> String {
        guard let first = drawn.first?.series else { return "" }
        let times = (0..<first.count).map { Double($0) * first.bucketSeconds }
        let load = first.arrivals.map { Optional(Double($0) / first.bucketSeconds) }
        var parts = ["<h2>Load, requests a second</h2>", SVGPlot(x: times, lines: [.init("#555", load)]).text]
        let ordered = drawn.enumerated().sorted { Self.layer($0.element) < Self.layer($1.element) }
        let replicas = ordered.map { index, result in
            SVGPlot.Line(Self.colour(index), result.series.map(Self.replicas) ?? [], style: Self.style(result))
        }
        let plot = SVGPlot(x: times, lines: replicas, cap: cap(replicas.map(\.values)))
        parts += ["<h2>Replicas paid for\(plot.cutText)</h2>", plot.text]
        let latencies = ordered.map { index, result in
            SVGPlot.Line(Self.colour(index), result.series?.latency ?? [], style: Self.style(result))
        }
        let limit = settings.objectiveSeconds
        let latency = SVGPlot(x: times, lines: latencies, mark: limit, cap: limit * 4)
        parts += [
            "<h2>Latency, percentile \(percentileText), seconds; dashed in red: the objective\(latency.cutText)</h2>",
            latency.text,
        ]
        return parts.joined(separator: "\n")
    }

    /// The oracle is drawn first, ours last, so that it isn't hidden.
    private static func layer(_ result: RunResult) -> Int {
        result.policy == PolicyChoice.oracle.rawValue ? 0 : result.policy == PolicyChoice.slo.rawValue ? 2 : 1
    }

    /// KEDA is often close to the HPA: dashes let both be seen.
    private static func style(_ result: RunResult) -> SVGPlot.Style {
        switch PolicyChoice(rawValue: result.policy) {
        case .slo: .strong
        case .keda: .dashed
        case .oracle: .faint
        default: .plain
        }
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
        var result = String.UnicodeScalarView()
        // Not by characters: a mark may make one of itself and the sign beside it, which a browser reads alone.
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result.append(contentsOf: "&amp;".unicodeScalars)
            case "<": result.append(contentsOf: "&lt;".unicodeScalars)
            case ">": result.append(contentsOf: "&gt;".unicodeScalars)
            case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
