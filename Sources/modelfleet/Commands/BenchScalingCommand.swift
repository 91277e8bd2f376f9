// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Simulation

/// `modelfleet bench-scaling`
struct BenchScalingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-scaling",
        abstract: "Measures the scaling policies on many loads; see docs/scaling.md.",
        shouldDisplay: false
    )

    @Option(help: "A folder of traces; the loads that the program carries are always measured.")
    var traces: String?

    @Option(help: "The cold start in seconds.")
    var coldStartSeconds: Double = 60

    @Option(help: "Replay at most this many hours of a trace, around its busiest interval.")
    var hours: Double = 24

    @Flag(help: "Tune the peers by a grid as well: some fifty runs a load.")
    var tuned = false

    @Option(help: "Measure this many seeded loads of each training kind instead: the ones to choose constants on.")
    var training = 0

    @Option(help: "How many loads to measure at the same time.")
    var jobs = 2

    func validate() throws {
        guard (0...1000).contains(training) else { throw ValidationError("--training must be from 0 to 1000") }
        if training > 0, traces != nil { throw ValidationError("--training and --traces are two different sets") }
    }

    mutating func run() async throws {
        let loads =
            try training > 0
            ? TrainingLoad.allCases.flatMap { kind in (1...UInt64(training)).map { kind.trace(seed: $0) } }
            : SyntheticTrace.allCases.map(\.trace) + recorded()
        let (coldStart, hours, tuned, unscaled) = (coldStartSeconds, hours, tuned, training > 0)
        let line = StatusLine()
        let outcomes = await withTaskGroup(of: (Int, ScalingBenchmark.Outcome).self) { group in
            var outcomes: [Int: ScalingBenchmark.Outcome] = [:]
            for (index, trace) in loads.enumerated() {
                if index >= max(1, jobs), let (done, outcome) = await group.next() {
                    outcomes[done] = outcome
                    line.show("\(outcomes.count) of \(loads.count) loads")
                }
                group.addTask {
                    let window = trace.benchmarkWindow(hours: hours)
                    // Training loads are as large as they say, so that a low rate stays low.
                    let replicas = unscaled ? window.meanRate / FleetSettings().replicaRate : 10
                    let load = ComparisonCase(trace: window, coldStartSeconds: coldStart, replicas: replicas)
                    return (index, ScalingBenchmark.run(load, tuned: tuned))
                }
            }
            for await (done, outcome) in group { outcomes[done] = outcome }
            return outcomes
        }
        line.clear()
        print(ScalingBenchmark.text(outcomes.sorted { $0.key < $1.key }.map(\.value), coldStartSeconds: coldStart))
    }

    private func recorded() throws -> [ArrivalTrace] {
        guard let traces else { return [] }
        let files = try CommandFiles.names(in: traces).filter { $0.hasSuffix(".csv.gz") || $0.hasSuffix(".csv") }
        return try files.map { file in
            let bytes = try CommandFiles.read(traces + "/" + file)
            // Its times were recorded in steps of 3 s.
            let trace = try ArrivalTrace(name: file, csv: bytes, interval: file.hasPrefix("mooncake") ? 3 : nil)
            // A recording gap of half an hour a day isn't load; before the first one are 20 hours.
            return file.hasPrefix("twitter") ? trace.sliced(from: 0, length: 72_000) : trace
        }
    }
}
