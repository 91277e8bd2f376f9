// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

#if canImport(Glibc)
    import func Glibc.clock
#elseif canImport(Musl)
    import func Musl.clock
#elseif canImport(Darwin)
    import func Darwin.clock
#endif

/// `telemetry-bench`
@main
struct TelemetryBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "telemetry-bench",
        abstract: "Measures how fast metrics pages are read, and how many replicas one operator can scrape.",
        subcommands: [ParseBench.self, ScrapeBench.self, Exporter.self]
    )
}

/// The processor time that this program has used so far.
enum CPUTime {
    /// Seconds, over all threads, of user and system.
    static var seconds: Double { Double(clock()) / 1_000_000 }
}
