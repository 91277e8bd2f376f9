// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import Foundation

/// `modelfleet-bench`: measures an operator and an API server, prints a table and writes JSON.
///
/// It is no part of the product. Figures depend on the machine; nothing fails because a goal is missed.
@main
struct ModelFleetBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "modelfleet-bench",
        abstract: "Measures the operator and the local API server.",
        discussion: """
            Without names everything but growth and decide is measured. The API server runs in a process of its own; the variable
            MODELFLEET_BENCH_KUBECONFIG names another one instead, which gets ModelFleet's definitions and a namespace
            modelfleet-bench that is emptied at the end.
            """
    )

    @Argument(help: "What to measure: server, create, steady, reaction, coldstart, growth, decide.")
    var names: [Run] = []

    @Option(name: .customLong("operator"), help: "Whose figures: modelfleet or kopf.")
    var subject: SubjectKind = .modelfleet

    @Option(help: "The number of models.")
    var models = 5000

    @Option(help: "How long the steady state is watched, in seconds.")
    var steadySeconds = 60

    @Option(help: "The number of changes whose reaction is measured.")
    var changes = 300

    @Option(help: "The number of cold starts; the median counts.")
    var starts = 3

    @Option(help: "The number of reconciles of the growth run.")
    var reconciles = 1_000_000

    @Option(help: "The longest time of one measurement, in seconds.")
    var limitSeconds = 900

    @Option(help: "The modelfleet to measure; by default the one beside this program.")
    var modelfleet: String?

    @Option(help: "The kopf to measure, a program.")
    var kopf = "benchmarks/kopf/.venv/bin/kopf"

    @Option(help: "Where the JSON goes.")
    var json = ".build/bench/figures.json"

    @Flag(help: "Keep the logs of the processes (their folder is printed).")
    var keepLogs = false

    mutating func validate() throws {
        guard (10...100_000).contains(models) else { throw ValidationError("--models must be 10 to 100000") }
        guard changes > 0, changes <= models else { throw ValidationError("--changes must be 1 to the models' number") }
        guard starts > 0, steadySeconds > 0, limitSeconds > 0, reconciles >= 1000 else {
            throw ValidationError("--starts, --steady-seconds and --limit-seconds must be above 0, --reconciles 1000")
        }
    }

    /// Finds out before the measuring whether its outcome can be kept.
    private func checkTarget() throws {
        let folder = URL(fileURLWithPath: json).deletingLastPathComponent()
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try WholeFile.checkWriting(json)
        } catch {
            let reason = SystemError(error)?.description ?? "\(error)"
            throw ValidationError("--json \(json) can't be written: \(reason); name another file")
        }
    }

    mutating func run() async throws {
        try checkTarget()
        let own = URL(fileURLWithPath: Bundle.main.executablePath ?? CommandLine.arguments[0])
        let beside = own.resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent("modelfleet")
        let plan = BenchPlan(
            runs: names.isEmpty ? Run.usual : names,
            models: models,
            steadyTime: .seconds(steadySeconds),
            changes: changes,
            starts: starts,
            reconciles: reconciles,
            limit: .seconds(limitSeconds),
            subject: subject,
            modelfleet: modelfleet ?? beside.path,
            kopf: kopf,
            kubeconfig: ProcessInfo.processInfo.environment["MODELFLEET_BENCH_KUBECONFIG"].flatMap {
                $0.isEmpty ? nil : $0
            }
        )
        var report = Report(plan)
        let folder = NSTemporaryDirectory() + "modelfleet-bench-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { if !keepLogs { try? FileManager.default.removeItem(atPath: folder) } }
        if keepLogs { print("logs: \(folder)") }
        try await Bench(plan: plan, folder: folder).run { figures in
            report.add(figures)
            for figure in figures { print(figure.line) }
            fflush(nil)
        }
        print("\n" + report.table)
        try report.write(to: json)
        print("\nJSON: \(json)")
    }
}

/// What can be measured.
enum Run: String, CaseIterable, ExpressibleByArgument {
    /// The API server by itself.
    case server
    /// Models that are created by one `kubectl create`.
    case create
    /// Nothing happens.
    case steady
    /// A spec changes.
    case reaction
    /// The operator starts when everything exists.
    case coldstart
    /// The fleet changes for long.
    case growth
    /// Pods are scraped and models decided.
    case decide

    /// What is measured where nothing is named.
    static let usual: [Run] = [.server, .create, .steady, .reaction, .coldstart]
}

/// What a run of the program measures, and how.
struct BenchPlan {
    /// What to measure.
    var runs: [Run]
    /// The number of models.
    var models: Int
    /// How long the steady state is watched.
    var steadyTime: Duration
    /// The number of changes whose reaction is measured.
    var changes: Int
    /// The number of cold starts.
    var starts: Int
    /// The number of reconciles of the growth run.
    var reconciles: Int
    /// The longest time of one measurement.
    var limit: Duration
    /// Whose figures.
    var subject: SubjectKind
    /// The path of `modelfleet`.
    var modelfleet: String
    /// The path of `kopf`.
    var kopf: String
    /// The API server to use instead of the local one.
    var kubeconfig: String?
}
