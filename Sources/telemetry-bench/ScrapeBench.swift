// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import CurlHTTP
import Foundation
import Telemetry

/// `telemetry-bench scrape`
struct ScrapeBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scrape",
        abstract: "Scrapes many local pages on a schedule, and says what that costs of one core.",
        discussion: """
            Child processes stand in for the pods, one port each; their processor time doesn't count. A tenth of the pods can
            be made dead: nothing accepts on their port.
            """
    )

    @Option(help: "How many pods.")
    var pods = 10_000

    @Option(help: "Seconds between two scrapes of a pod.")
    var interval = 5.0

    @Option(help: "How many seconds to measure, after one interval to warm up.")
    var seconds = 20.0

    @Option(help: "The most scrapes at one time.")
    var concurrency = 256

    @Option(help: "How many HTTP clients share the pods; each has a thread and connections of its own.")
    var clients = PartitionedExchange.usualParts

    @Option(help: "How many child processes stand in for the pods.")
    var exporters = 4

    func run() async throws {
        var children: [Process] = []
        var inputs: [Pipe] = []
        defer {
            for input in inputs { try? input.fileHandleForWriting.close() }
            for child in children { child.waitUntilExit() }
        }
        var ports: [Int] = []
        for index in 0..<exporters {
            let share = pods / exporters + (index < pods % exporters ? 1 : 0)
            let (child, input, found) = try Self.start(ports: share)
            children.append(child)
            inputs.append(input)
            ports += found
        }
        let time = SystemTime()
        let exchange = PartitionedExchange(parts: clients) {
            CurlExchange(configuration: CurlConfiguration(maximumConnections: pods), time: time)
        }
        let scraper = Scraper(exchange: exchange, time: time)
        let board = ScrapeBoard(scraper: scraper, time: time, random: SystemRandom(), concurrency: concurrency)
        for (index, group) in stride(from: 0, to: ports.count, by: 20).map({ ports[$0..<min($0 + 20, ports.count)] })
            .enumerated()
        {
            let targets = group.map { ScrapeTarget(pod: "pod-\($0)", authority: "127.0.0.1:\($0)") }
            board.watch("model-\(index)", targets: targets, mapping: SamplePage.vllm, interval: .seconds(interval))
        }
        try await withThrowingTaskGroup { group in
            group.addTask { await board.run() }
            try await time.sleep(for: .seconds(interval * 1.5))
            try await report(board, time: time, models: (ports.count + 19) / 20)
            group.cancelAll()
        }
    }

    private func report(_ board: ScrapeBoard, time: any TimeSource, models: Int) async throws {
        let (start, cpu, before) = (time.now(), CPUTime.seconds, board.counts)
        try await time.sleep(for: .seconds(seconds))
        let wall = (time.now() - start).inSeconds
        let used = CPUTime.seconds - cpu
        let after = board.counts
        let scraped = Double(after.scraped - before.scraped)
        let failed = after.failed - before.failed
        var missing = 0
        var oldest = Duration.zero
        for index in 0..<models {
            let signals = board.signals(of: "model-\(index)", staleAfter: .seconds(60))
            missing += signals.missing.count
            oldest = max(oldest, signals.age)
        }
        print("pods \(pods), every \(interval) s: wanted \(Double(pods) / interval) scrapes/s")
        print("scraped \((scraped / wall).rounded()) a second, failed \(failed), pods without a page \(missing)")
        print("oldest page \((oldest.inSeconds * 10).rounded() / 10) s")
        print(
            "processor time: \((used / wall * 1000).rounded() / 10) % of one core, \((used / max(1, scraped) * 1e6).rounded()) us a scrape"
        )
    }

    private static func start(ports: Int) throws -> (Process, Pipe, [Int]) {
        let child = Process()
        let (input, output) = (Pipe(), Pipe())
        child.executableURL = URL(filePath: CommandLine.arguments[0])
        child.arguments = ["exporter", "--ports", "\(ports)"]
        child.standardInput = input
        child.standardOutput = output
        try child.run()
        var line = Data()
        while line.last != UInt8(ascii: "\n") {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw ValidationError("the exporter ended before it listened") }
            line += more
        }
        return (
            child, input,
            String(decoding: line, as: UTF8.self).split(separator: " ").compactMap {
                Int($0.trimmingCharacters(in: .whitespacesAndNewlines))
            }
        )
    }
}
