// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Rollouts

/// How a rule did over many runs of one scenario.
struct Outcome {
    var runs = 0
    /// The seconds after which each run was rolled back.
    var seconds: [Double] = []

    var share: Double { runs > 0 ? Double(seconds.count) / Double(runs) : 0 }
    /// The median time to a rollback, where at least half of the runs had one.
    var median: Double? {
        seconds.count * 2 > runs ? seconds.sorted()[runs / 2] : nil
    }
}

/// The rules that are compared.
enum RuleKind: CaseIterable {
    case judge
    case flagger
    case flaggerTuned
    case kayenta

    var name: String {
        switch self {
        case .judge: "ModelFleet"
        case .flagger: "threshold"
        case .flaggerTuned: "threshold, tuned"
        case .kayenta: "Mann-Whitney"
        }
    }

    func rule(_ scenario: Scenario, rate: Double) -> any RollbackRule {
        switch self {
        case .judge: JudgeRule(rate: rate)
        // The values of Flagger's documentation.
        case .flagger: ThresholdRule(maxErrorRatio: 0.01, maxSeconds: 0.5, threshold: 5)
        // What a person sets who knows the service: half as many errors again, and a tenth above the stable track's p99.
        case .flaggerTuned:
            ThresholdRule(maxErrorRatio: scenario.errorRatio * 1.5, maxSeconds: 0.352, threshold: 5)
        case .kayenta: MannWhitneyRule(intervalMinutes: 5)
        }
    }
}

@main
struct JudgeBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "judge-bench",
        abstract:
            "How often good canaries are rolled back, and how soon bad ones are, by our judge and by the rules of others.",
        discussion: """
            Simulated traffic from fixed seeds: errors by chance, durations log-normal with a median of 100 ms in the buckets of our
            server, a tenth of the traffic to the canary. ModelFleet looks every 10 s; a threshold (Flagger's rule) is checked once a
            minute and rolls back at the fifth failed check; Mann-Whitney (Kayenta's rule) is judged every 5 minutes.
            """
    )

    @Option(help: "Runs of each scenario in which the canary is no worse.")
    var runs = 1000

    @Option(help: "Runs of each scenario in which it is.")
    var worseRuns = 200

    @Option(help: "Minutes for which a canary is watched.")
    var minutes = 60

    @Option(help: "The false-rollback rate that is promised.")
    var falseRollbackRate = 0.01

    @Option(help: "The first seed.")
    var seed: UInt64 = 1

    @Flag(help: "Measure only our judge.")
    var onlyOurs = false

    /// The rules that are measured.
    private var kinds: [RuleKind] { onlyOurs ? [.judge] : RuleKind.allCases }

    @Flag(help: "Measure only what other weights than a tenth, and clumps, change.")
    var onlyWeights = false

    static let rates: [Double] = [1, 10, 100, 1000]
    static let errorRatios: [Double] = [0.001, 0.005, 0.01, 0.02, 0.05]

    func run() throws {
        if onlyWeights { return byWeight() }
        say("Good canaries that were rolled back within \(minutes) minutes, in percent of \(runs) runs each:")
        header(["errors", "requests/s"])
        var all: [RuleKind: Outcome] = [:]
        for errorRatio in Self.errorRatios {
            for rate in Self.rates {
                let found = measure(Scenario(errorRatio: errorRatio, rate: rate), runs: runs)
                row([percent(errorRatio), number(rate)], found) { percent($0.share) }
                for (kind, outcome) in found {
                    all[kind, default: Outcome()].runs += outcome.runs
                    all[kind, default: Outcome()].seconds += outcome.seconds
                }
            }
        }
        row(["all", ""], all) { percent($0.share) }
        say("\nThe same, with errors that come in bursts on both tracks, and in clumps of five on one:")
        header(["errors", "case"])
        let bursts = Scenario(errorRatio: 0.01, rate: 100, bursts: 1)
        row(["1 %", "bursts"], measure(bursts, runs: runs)) { percent($0.share) }
        let clumps = Scenario(errorRatio: 0.01, rate: 100, clump: 5)
        row(["1 %", "clumps"], measure(clumps, runs: runs)) { percent($0.share) }
        worse("Twice the errors", Self.errorRatios.map { ($0, { Scenario(errorRatio: $0, errorFactor: 2, rate: $1) }) })
        for shift in [1.1, 1.2, 1.5] {
            worse(
                "Durations +\(Int((shift * 100 - 100).rounded())) %, so p95 too",
                [(0.005, { Scenario(errorRatio: $0, latencyFactor: shift, rate: $1) })]
            )
        }
        passes()
        byWeight()
    }

    @Option(parsing: .upToNextOption, help: "The canary's shares of the traffic beside a tenth.")
    var weights: [Double] = [0.01, 0.05, 0.1, 0.25, 0.5]

    @Option(parsing: .upToNextOption, help: "The requests a second with these.")
    var weightRates: [Double] = [10, 100]

    @Option(parsing: .upToNextOption, help: "Which tables of these: good, clumps, errors, durations, passing.")
    var tables = ["good", "clumps", "errors", "durations", "passing"]

    /// The same for tracks of other sizes, at 1 % errors.
    private func byWeight() {
        func found(_ outcome: Outcome, _ scenario: Scenario) -> String {
            let requests = outcome.median.map { number($0 * scenario.rate * scenario.weight) } ?? "-"
            return "\(requests) (\(percent(outcome.share)))"
        }
        byWeight("good", "good canaries that were rolled back, 1 % errors", runs) { outcome, _ in percent(outcome.share)
        }
        byWeight("clumps", "the same with clumps of five", runs, clump: 5) { outcome, _ in percent(outcome.share) }
        byWeight("errors", "twice the errors", worseRuns, errors: 2, text: found)
        byWeight("durations", "durations +20 %", worseRuns, latency: 1.2, text: found)
        guard tables.contains("passing") else { return }
        say(
            "\nWeights: good canaries that passed, and those at the margin\n\n| weight | requests/s | good | at the margin |"
        )
        say("| --- | --- | --- | --- |")
        for weight in weights {
            for rate in weightRates {
                let good = Scenario(errorRatio: 0.01, rate: rate, weight: weight)
                let bad = Scenario(errorRatio: 0.01, errorFactor: 2, rate: rate, weight: weight)
                let cells = [percent(weight), number(rate), found(passing(good), good), percent(passing(bad).share)]
                say("| " + cells.joined(separator: " | ") + " |")
            }
        }
    }

    private func byWeight(
        _ name: String,
        _ title: String,
        _ runs: Int,
        errors: Double = 1,
        latency: Double = 1,
        clump: Int = 1,
        text: (Outcome, Scenario) -> String
    ) {
        guard tables.contains(name) else { return }
        say("\nWeights: \(title)")
        header(["weight", "requests/s"])
        for weight in weights {
            for rate in weightRates {
                let scenario = Scenario(
                    errorRatio: 0.01,
                    errorFactor: errors,
                    latencyFactor: latency,
                    rate: rate,
                    weight: weight,
                    clump: clump
                )
                row([percent(weight), number(rate)], measure(scenario, runs: runs)) { text($0, scenario) }
            }
        }
    }

    /// The other direction: how soon a good canary passes, and how often one passes that is worse by just the margin.
    private func passes() {
        say(
            "\nModelFleet: the canary's requests until half of the good canaries passed (the share that did), and the share that"
        )
        say("passed of those that are worse by just the margin, one percentage point of errors (5 % are allowed):\n")
        say("| errors | requests/s | good | at the margin |")
        say("| --- | --- | --- | --- |")
        for errorRatio in Self.errorRatios {
            for rate in Self.rates {
                let good = Scenario(errorRatio: errorRatio, rate: rate)
                let bad = Scenario(errorRatio: errorRatio, errorFactor: (errorRatio + 0.01) / errorRatio, rate: rate)
                let (passed, wrong) = (passing(good), passing(bad))
                let requests = passed.median.map { number($0 * rate * good.weight) } ?? "-"
                let cells = [
                    percent(errorRatio), number(rate), "\(requests) (\(percent(passed.share)))", percent(wrong.share),
                ]
                say("| " + cells.joined(separator: " | ") + " |")
            }
        }
    }

    private func passing(_ scenario: Scenario) -> Outcome {
        var outcome = Outcome(runs: worseRuns)
        let judge = Judge(JudgeSettings(falseRollbackRate: falseRollbackRate))
        for run in 0..<worseRuns {
            var traffic = Traffic(scenario, seed: (seed &+ UInt64(run)) &* 0x9e37_79b9)
            var state = JudgeState()
            for slice in 1...(minutes * 6) {
                let now = traffic.next()
                let verdict = judge.look(&state, canary: now.canary, stable: now.stable).verdict
                if verdict == .notWorse { outcome.seconds.append(Double(slice) * Slice.seconds) }
                if verdict == .notWorse || verdict == .worse { break }
            }
        }
        return outcome
    }

    private func worse(_ title: String, _ cases: [(Double, (Double, Double) -> Scenario)]) {
        say("\n\(title): the canary's requests until half of the runs were rolled back (the share that were)")
        header(["errors", "requests/s"])
        for (errorRatio, make) in cases {
            for rate in Self.rates {
                let scenario = make(errorRatio, rate)
                row([percent(errorRatio), number(rate)], measure(scenario, runs: worseRuns)) { outcome in
                    let requests = outcome.median.map { number($0 * rate * scenario.weight) } ?? "-"
                    return "\(requests) (\(percent(outcome.share)))"
                }
            }
        }
    }

    private func measure(_ scenario: Scenario, runs: Int) -> [RuleKind: Outcome] {
        var outcomes: [RuleKind: Outcome] = [:]
        for kind in kinds { outcomes[kind] = Outcome(runs: runs) }
        for run in 0..<runs {
            var traffic = Traffic(scenario, seed: (seed &+ UInt64(run)) &* 0x9e37_79b9)
            var open = kinds.map { ($0, $0.rule(scenario, rate: falseRollbackRate)) }
            for slice in 1...(minutes * 6) {
                guard !open.isEmpty else { break }
                let now = traffic.next()
                for index in open.indices.reversed() where open[index].1.isWorse(after: now) {
                    outcomes[open[index].0]?.seconds.append(Double(slice) * Slice.seconds)
                    open.remove(at: index)
                }
            }
        }
        return outcomes
    }

    private func header(_ keys: [String]) {
        let names = keys + kinds.map(\.name)
        say("\n| " + names.joined(separator: " | ") + " |")
        say("|" + String(repeating: " --- |", count: names.count))
    }

    private func row(_ keys: [String], _ found: [RuleKind: Outcome], _ text: (Outcome) -> String) {
        let cells = kinds.map { text(found[$0] ?? Outcome()) }
        say("| " + (keys + cells).joined(separator: " | ") + " |")
    }

    /// Writes a line at once: a run takes minutes.
    private func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    private func percent(_ share: Double) -> String { "\(((share * 1000).rounded() / 10).formatted()) %" }

    private func number(_ value: Double) -> String { "\(Int(value.rounded()))" }
}
