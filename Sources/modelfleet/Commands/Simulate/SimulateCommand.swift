// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import KubeModel
import Simulation

/// `modelfleet simulate`
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Replays a load against scaling policies, ours and others', without a cluster.",
        discussion: """
            The load is a CSV file, gzipped or not: one row a request with its time in a column "time", in seconds or RFC 3339
            (UTC without an offset), or a column "count" with the requests of each interval. The objective, the bounds and the
            settings of our policies come from the ModelDeployment; what a replica can do is told by flags.

            Example:
              modelfleet simulate -f model.yaml --trace load.csv.gz --service-ms 120 --concurrency 8 --cold-start-seconds 40 \\
                --html report.html

            Policies: \(PolicyChoice.allCases.map(\.rawValue).joined(separator: ", ")).
            """
    )

    @OptionGroup var input: InputFiles

    @Option(help: "The model to simulate, where the files hold several.")
    var name: String?

    @Option(help: "The load, a CSV file; .gz is unpacked.")
    var trace: String

    @Option(help: "The policies to compare, separated by commas.")
    var compare = "hpa,kpa,keda,ray-serve,rule,slo,oracle"

    @Option(
        help:
            "The length of an interval in seconds, where rows are counts; those without a header then are. Where rows are requests, the steps in which their times were recorded: requests are spread inside them."
    )
    var interval: Double?

    @Option(help: "Multiply the load by this.")
    var scale: Double = 1

    @OptionGroup var fleet: FleetOptions

    @Option(help: "Write the figures as JSON to this file; - for the standard output instead of the table.")
    var json: String?

    @Option(
        help:
            "Write a report with plots to this file: one page, nothing loaded from elsewhere; - for the standard output."
    )
    var html: String?

    @Flag(
        help:
            "Search the knobs of SLO and TargetTracking for the cheapest setting that meets the objective on this load, and print it as YAML."
    )
    var tune = false

    mutating func validate() throws {
        guard scale > 0, scale <= 10_000 else { throw ValidationError("--scale must be above 0 and at most 10000") }
        guard json != "-" || html != "-" else {
            throw ValidationError("--json and --html can't both go to the standard output; name a file for one of them")
        }
        _ = try policies()
    }

    mutating func run() async throws {
        for file in [json, html] { try CommandFiles.checkWritable(file) }
        let picked = try SimulatedModel(input, name: name)
        for warning in picked.warnings { SimulationFiles.say(warning) }
        let settings = try fleet.settings(picked)
        let trace = try SimulationFiles.trace(trace, interval: interval)
        let load: ComparisonCase
        do {
            load = try ComparisonCase(replaying: trace, scaledBy: scale, settings: settings, model: picked.scaling)
        } catch {
            throw CommandFailure("\(error)")
        }
        if tune { return try search(load) }
        let bar = SimulationProgress(steps: try policies().count)
        var results: [RunResult] = []
        for (index, choice) in try policies().enumerated() {
            results.append(load.run(choice) { bar.show(choice.rawValue, step: index, share: $0) })
        }
        bar.clear()
        let report = ComparisonReport(load, results: results)
        try write(report, text: report.table)
    }

    /// `--tune`
    private func search(_ load: ComparisonCase) throws {
        var search = KnobSearch(load)
        let bar = SimulationProgress(steps: KnobSearch.runs)
        search.run { bar.show($1.rawValue, step: Int($0), share: $0 - $0.rounded(.down)) }
        bar.clear()
        guard let found = search.best ?? search.safest else { return }
        let report = ComparisonReport(load, results: [load.run(.slo), found.namedResult])
        guard search.best != nil else {
            let share = report.cells(found.result)[1]
            throw CommandFailure(
                "none of \(search.trials.count) settings meets the objective on this load: the best has \(share) on time with "
                    + "\(found.policy.rawValue), \(found.knobs.text); \(report.remedy)"
            )
        }
        let lines =
            [
                report.title, "the cheapest of \(search.trials.count) settings that meets the objective:",
                "\(report.summary(found.result)); SLO as the model has it: \(report.summary(report.results[0]))",
            ] + report.notes.dropFirst()
        let yaml = found.yaml(load.settings)
        try write(report, text: lines.map { "# \($0)\n" }.joined() + yaml)
    }

    /// The text goes to the standard output unless something else does.
    private func write(_ report: ComparisonReport, text: String) throws {
        if json != "-", html != "-" { print(text, terminator: "") }
        if let json { try CommandFiles.write(report.json.encodedPretty() + [10], to: json) }
        if let html { try CommandFiles.write(Array(report.html.utf8), to: html) }
    }

    private func policies() throws -> [PolicyChoice] {
        let names = compare.split(separator: ",").map { $0.filter { !$0.isWhitespace } }.filter { !$0.isEmpty }
        let known = PolicyChoice.allCases.map(\.rawValue).joined(separator: ", ")
        guard !names.isEmpty else { throw ValidationError("--compare names no policy; there are \(known)") }
        return try names.map { name in
            guard let choice = PolicyChoice(rawValue: name) else {
                throw ValidationError("--compare: there is no policy \"\(name)\"; there are \(known)")
            }
            return choice
        }
    }
}
