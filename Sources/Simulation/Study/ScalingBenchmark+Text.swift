// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension ScalingBenchmark {
    /// The tables of some outcomes, as Markdown.
    public static func text(_ outcomes: [Outcome], coldStartSeconds: Double) -> String {
        let sections = [defaults(outcomes, coldStartSeconds: coldStartSeconds), goals(outcomes), tuned(outcomes)]
        return sections.filter { !$0.isEmpty }.joined(separator: "\n\n") + "\n"
    }

    private static let shown = peers + [.targetTracking, .slo]

    private static func defaults(_ outcomes: [Outcome], coldStartSeconds: Double) -> String {
        var lines = [
            "Cold start \(Decimal.text(coldStartSeconds, 0)) s, defaults: attainment / replica-hours over the oracle's",
            "",
        ]
        lines.append(
            "| load | " + shown.map(\.rawValue).joined(separator: " | ")
                + " | oracle over work | oracle over the lower bound |"
        )
        lines.append("| --- |" + String(repeating: " --- |", count: shown.count + 2))
        for outcome in outcomes {
            let cells = shown.map { choice -> String in
                guard let result = outcome.defaults[choice] else { return "-" }
                return Decimal.text(result.attainment, 3) + " / "
                    + Decimal.text(result.replicaHours / outcome.oracleHours, 2)
            }
            let work = Decimal.text(outcome.oracleHours / max(outcome.workHours, 1e-9), 2)
            let bound = Decimal.text(outcome.oracleHours / max(outcome.lowerBoundHours, 1e-9), 2)
            lines.append("| \(outcome.name) | " + cells.joined(separator: " | ") + " | \(work) | \(bound) |")
        }
        let means = shown.map { choice -> String in
            let results = outcomes.compactMap { outcome in outcome.defaults[choice].map { (outcome, $0) } }
            let ratio = geometricMean(results.map { $0.1.replicaHours / $0.0.oracleHours })
            let attainment = results.reduce(0) { $0 + $1.1.attainment } / Double(max(1, results.count))
            return Decimal.text(attainment, 3) + " / " + Decimal.text(ratio, 2)
        }
        lines.append("| mean attainment / geometric mean | " + means.joined(separator: " | ") + " | | |")
        return lines.joined(separator: "\n")
    }

    private static func goals(_ outcomes: [Outcome]) -> String {
        let ours = outcomes.compactMap { outcome in outcome.defaults[.slo].map { (outcome, $0) } }
        let mean = geometricMean(ours.map { $0.1.replicaHours / $0.0.oracleHours })
        let over = ours.filter { $0.1.replicaHours > 2.5 * $0.0.oracleHours && $0.0.oracleHours <= 3 * $0.0.workHours }
        let behind = ours.filter { outcome, result in
            let best = peers.compactMap { outcome.defaults[$0]?.attainment }.max() ?? 0
            return result.attainment < best - 0.005
        }
        var lines = ["Goals", ""]
        lines.append("- geometric mean ratio to the oracle: \(Decimal.text(mean, 2)) (goal: at most 1.40)")
        lines.append("- loads above 2.5 times the oracle: \(over.count) of \(ours.count)" + names(over.map(\.0)))
        lines.append(
            "- loads with more than 0.5 points less attainment than the best peer's default: \(behind.count) of \(ours.count)"
                + names(behind.map(\.0))
        )
        let compared = ours.compactMap { outcome, result in
            outcome.tunedEvents.map { (outcome, result.scaleEvents, $0) }
        }
        if !compared.isEmpty {
            let more = compared.filter { $0.1 > $0.2 }
            lines.append(
                "- loads with more scale events than the tuned HPA: \(more.count) of \(compared.count)"
                    + names(more.map(\.0))
            )
        }
        for peer in peers where outcomes.contains(where: { $0.fronts[peer] != nil }) {
            lines.append(savings(peer, ours))
        }
        return lines.joined(separator: "\n")
    }

    private static func names(_ outcomes: [Outcome]) -> String {
        outcomes.isEmpty ? "" : " (" + outcomes.map(\.name).joined(separator: ", ") + ")"
    }

    private static func savings(_ peer: PolicyChoice, _ ours: [(Outcome, RunResult)]) -> String {
        var cheaper = 0
        var cheaperOracles = 0
        var costlier: [Outcome] = []
        var unattainable = 0
        for (outcome, result) in ours {
            guard let front = outcome.fronts[peer] else { continue }
            guard let hours = front.hours(at: result.attainment) else {
                unattainable += 1
                continue
            }
            if result.replicaHours <= 0.75 * hours { cheaper += 1 }
            if let oracle = outcome.equalOracleHours, oracle <= 0.75 * hours { cheaperOracles += 1 }
            if result.replicaHours > 1.05 * hours { costlier.append(outcome) }
        }
        return
            "- against the tuned \(peer.rawValue) at our default's attainment: at least 25 % cheaper on \(cheaper) of "
            + "\(ours.count) (the oracle's schedule for as many on time: on \(cheaperOracles)), not attainable for it on \(unattainable), more than 5 % costlier on \(costlier.count)"
            + names(costlier)
    }

    private static func tuned(_ outcomes: [Outcome]) -> String {
        let tuned = outcomes.filter { !$0.fronts.isEmpty }
        guard !tuned.isEmpty else { return "" }
        let choices = peers + [.slo]
        var lines = [
            "Tuned by a grid: replica-hours over the oracle's at equal attainment of 95 / 99 / 99.9 %, - is not attainable",
            "",
        ]
        lines.append("| load | " + choices.map(\.rawValue).joined(separator: " | ") + " |")
        lines.append("| --- |" + String(repeating: " --- |", count: choices.count))
        for outcome in tuned {
            let cells = choices.map { choice -> String in
                [0.95, 0.99, 0.999].map { attainment in
                    outcome.fronts[choice]?.hours(at: attainment).map { Decimal.text($0 / outcome.oracleHours, 2) }
                        ?? "-"
                }.joined(separator: " / ")
            }
            lines.append("| \(outcome.name) | " + cells.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n")
    }

    private static func geometricMean(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        return exponential(values.reduce(0) { $0 + naturalLogarithm(max($1, 1e-9)) } / Double(values.count))
    }
}

/// Numbers for people.
enum Decimal {
    /// `value` with `digits` digits after the point, 0 to 6.
    static func text(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "-" }
        let factor = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000][max(0, min(6, digits))]
        let whole = Int((abs(value) * Double(factor)).rounded())
        let sign = value < 0 && whole > 0 ? "-" : ""
        guard digits > 0 else { return sign + String(whole) }
        let rest = String(whole % factor)
        return sign + String(whole / factor) + "." + String(repeating: "0", count: max(0, digits - rest.count)) + rest
    }
}
