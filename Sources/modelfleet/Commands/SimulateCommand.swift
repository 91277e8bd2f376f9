// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FleetAPI
import Foundation
import KubeModel
import Simulation

/// `modelfleet simulate`
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Replays a load against scaling policies, ours and others', without a cluster.",
        discussion: """
            The load is a CSV file, gzipped or not: one row a request with its time in seconds (or RFC 3339) in the first
            column, or a column "count" with the requests of each interval. The model's objective and bounds come from the
            ModelDeployment; what a replica can do is told by flags.

            Example:
              modelfleet simulate -f model.yaml --trace load.csv.gz --service-ms 120 --concurrency 8 --cold-start-seconds 40 \\
                --html report.html

            Policies: \(PolicyChoice.allCases.map(\.rawValue).joined(separator: ", ")).
            """
    )

    @OptionGroup var input: InputFiles

    @Option(help: "The load, a CSV file; .gz is unpacked.")
    var trace: String

    @Option(help: "The policies to compare, separated by commas.")
    var compare = "hpa,kpa,keda,ray-serve,rule,slo,oracle"

    @Option(help: "The length of an interval in seconds, where rows are counts.")
    var interval: Double?

    @Option(help: "Multiply the load by this.")
    var scale: Double = 1

    @OptionGroup var fleet: FleetOptions

    @Option(help: "Write the figures as JSON to this file; - for the standard output instead of the table.")
    var json: String?

    @Option(help: "Write a report with plots to this file: one page, nothing loaded from elsewhere.")
    var html: String?

    @Flag(
        help:
            "Search the knobs of SLO and TargetTracking for the cheapest setting that meets the objective on this load, and print it as YAML."
    )
    var tune = false

    mutating func validate() throws {
        guard scale > 0, scale <= 10_000 else { throw ValidationError("--scale must be above 0 and at most 10000") }
        _ = try policies()
    }

    mutating func run() async throws {
        let settings = try fleet.settings(model: try model())
        let trace = try readTrace()
        let plan = trace.plan(scaledBy: scale, seed: settings.seed)
        guard plan.requests <= 200_000_000 else {
            throw CommandFailure("\(self.trace): more than 200 million requests; use --scale to take a share of them")
        }
        let load = ComparisonCase(name: trace.name, settings: settings, plan: plan)
        if tune { return try search(load) }
        let bar = ProgressBar(steps: try policies().count)
        var results: [RunResult] = []
        for (index, choice) in try policies().enumerated() {
            results.append(load.run(choice) { bar.show(choice.rawValue, step: index, share: $0) })
        }
        bar.clear()
        let report = ComparisonReport(load, results: results)
        if json == "-" {
            print(String(decoding: report.json.encodedPretty(), as: UTF8.self))
        } else {
            print(report.table, terminator: "")
            if let json { try write(report.json.encodedPretty(), to: json) }
        }
        if let html { try write(Array(report.html.utf8), to: html) }
    }

    /// `--tune`
    private func search(_ load: ComparisonCase) throws {
        var search = KnobSearch(load)
        let bar = ProgressBar(steps: KnobSearch.runs)
        search.run { bar.show($1.rawValue, step: Int($0), share: $0 - $0.rounded(.down)) }
        bar.clear()
        guard let found = search.best ?? search.safest else { return }
        let report = ComparisonReport(load, results: [load.run(.slo), found.namedResult])
        guard search.best != nil else {
            let share = report.cells(found.result)[1]
            throw CommandFailure(
                "none of \(search.trials.count) settings meets the objective on this load: the best has \(share) on time with "
                    + "\(found.policy.rawValue), \(found.knobs.text); a looser objective, more minReplicas or a shorter cold start may"
            )
        }
        print("# \(report.title)")
        print("# the cheapest of \(search.trials.count) settings that meets the objective:")
        print("# \(report.summary(found.result)); with its defaults SLO: \(report.summary(report.results[0]))")
        print(found.yaml(load.settings), terminator: "")
        if let json { try write(report.json.encodedPretty(), to: json) }
        if let html { try write(Array(report.html.utf8), to: html) }
    }

    private func policies() throws -> [PolicyChoice] {
        try compare.split(separator: ",").map { name in
            guard let choice = PolicyChoice(rawValue: String(name)) else {
                throw ValidationError(
                    "--compare: there is no policy \"\(name)\"; there are \(PolicyChoice.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            return choice
        }
    }

    private func model() throws -> ModelDeployment {
        let documents = try input.documents()
        for document in documents {
            let object = KubeObject(document.json)
            if object.kind == ResourceType.modelDeployments.kind { return ModelDeployment(object) }
        }
        throw CommandFailure("\(input.filename.joined(separator: ", ")): no ModelDeployment in it")
    }

    private func readTrace() throws -> ArrivalTrace {
        guard let data = FileManager.default.contents(atPath: trace) else {
            throw CommandFailure("\(trace): can't be read; is the path right?")
        }
        let name = URL(fileURLWithPath: trace).lastPathComponent
        do {
            return try ArrivalTrace(name: name, csv: [UInt8](data), interval: interval)
        } catch {
            throw CommandFailure("\(error)")
        }
    }

    private func write(_ bytes: [UInt8], to file: String) throws {
        do {
            try Data(bytes).write(to: URL(fileURLWithPath: file))
        } catch {
            throw CommandFailure("\(file): can't be written: \(error.localizedDescription)")
        }
    }
}

/// What a replica can do, by flags.
struct FleetOptions: ParsableArguments {
    @Option(help: "The mean milliseconds of work in a request.")
    var serviceMs: Double = 1000

    @Option(help: "The coefficient of variation of the work: 0 is always the same, 1 as good as anything.")
    var serviceVariation: Double = 0

    @Option(help: "The requests that a replica works on at the same time.")
    var concurrency = 4

    @Option(help: "By which share each further request in work slows a request down (batching).")
    var occupancySlope: Double = 0

    @Option(help: "The seconds from the decision to start a replica until it is ready.")
    var coldStartSeconds: Double = 60

    @Option(help: "The requests that may wait per replica; those beyond are rejected. No limit by default.")
    var queueLimit: Int?

    @Option(help: "How requests find a replica: \(Balancing.allCases.map(\.rawValue).joined(separator: ", ")).")
    var balancing = Balancing.sharedQueue.rawValue

    @Option(help: "Makes the run reproducible: the same seed gives the same figures.")
    var seed: UInt64 = 1

    mutating func validate() throws {
        guard serviceMs > 0, serviceMs <= 3_600_000 else {
            throw ValidationError("--service-ms must be above 0 and at most an hour")
        }
        guard (0...10).contains(serviceVariation) else { throw ValidationError("--service-variation must be 0 to 10") }
        guard (1...10_000).contains(concurrency) else { throw ValidationError("--concurrency must be 1 to 10000") }
        guard (0...10).contains(occupancySlope) else { throw ValidationError("--occupancy-slope must be 0 to 10") }
        guard (0...3600).contains(coldStartSeconds) else {
            throw ValidationError("--cold-start-seconds must be 0 to 3600")
        }
        guard queueLimit ?? 0 >= 0 else { throw ValidationError("--queue-limit can't be negative") }
        guard Balancing(rawValue: balancing) != nil else {
            throw ValidationError(
                "--balancing: one of \(Balancing.allCases.map(\.rawValue).joined(separator: ", ")), not \"\(balancing)\""
            )
        }
    }

    /// The fleet of a model: bounds and objective from its spec.
    func settings(model: ModelDeployment) throws -> FleetSettings {
        var settings = FleetSettings()
        let shape: ServiceTime.Shape =
            serviceVariation == 0
            ? .deterministic : serviceVariation == 1 ? .exponential : .lognormal(variation: serviceVariation)
        settings.serviceTime = ServiceTime(shape, meanSeconds: serviceMs / 1000)
        settings.concurrency = concurrency
        settings.occupancySlope = occupancySlope
        settings.coldStartSeconds = coldStartSeconds
        settings.queueLimit = queueLimit
        settings.balancing = Balancing(rawValue: balancing) ?? .sharedQueue
        settings.minReplicas = model.scaling.minReplicas
        settings.maxReplicas = model.scaling.maxReplicas
        settings.seed = seed
        guard let latency = model.scaling.latency else {
            throw CommandFailure("the model has no spec.scaling.objective.latency: without it no request can be late")
        }
        settings.objectiveSeconds = latency.milliseconds / 1000
        settings.objectivePercentile = latency.percentile
        return settings
    }
}

/// How far a simulation is, on a terminal; elsewhere it says nothing, since hundreds of bars in a log help nobody.
private struct ProgressBar: Sendable {
    private static let width = 30
    private let isShown = isatty(STDERR_FILENO) == 1
    private let line = StatusLine()
    private let steps: Int

    init(steps: Int) { self.steps = max(1, steps) }

    func show(_ name: String, step: Int, share: Double) {
        guard isShown else { return }
        let whole = (Double(step) + share) / Double(steps)
        let filled = Int(whole * Double(Self.width))
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: Self.width - filled)
        line.show("[\(bar)] \(Int(whole * 100)) %  \(name)")
    }

    func clear() { line.clear() }
}
