// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import CurlHTTP
import Foundation
import HTTPTypes
import LoadGeneration

/// `modelfleet load`
struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Sends requests at a fixed rate and measures how long they take.",
        discussion: """
            The load is open-loop: a request starts when the plan says so, whether or not earlier ones have been
            answered, and its latency counts from that moment, so a slow server can't hide behind a waiting client.
            Ctrl-C ends it early, with the figures so far.

            Example:
              modelfleet load http://127.96.0.2/v1/models/iris:predict \\
                --body '{"instances": [[5.1, 3.5, 1.4, 0.2]]}' --rate 200 --seconds 30
            """
    )

    @Argument(help: "The address to send to, http:// or https://.")
    var url: String

    @Option(help: "Requests per second.")
    var rate: Double = 50

    @Option(help: "How long to send, in seconds.")
    var seconds: Double = 30

    @Option(help: "Reach the rate in a straight line over this many seconds first.")
    var rampSeconds: Double = 0

    @Option(help: "The request's body; @FILE reads it from a file. With a body the method is POST.")
    var body: String?

    @Option(help: "The body's content type.")
    var contentType = "application/json"

    @Option(help: "How long a request may take, in seconds.")
    var timeoutSeconds: Double = 30

    @Option(help: "Use a connection for at most this many seconds, so that new replicas get their share; 0 for ever.")
    var connectionSeconds: Double = 2

    @Flag(help: "Space the requests evenly instead of at random (Poisson).")
    var uniform = false

    mutating func validate() throws {
        guard rate > 0, rate <= 100_000 else { throw ValidationError("--rate must be above 0 and at most 100000") }
        guard seconds > 0, seconds <= 86_400 else {
            throw ValidationError("--seconds must be above 0 and at most a day")
        }
        guard rampSeconds >= 0, rampSeconds <= 86_400 else {
            throw ValidationError("--ramp-seconds can't be negative or more than a day")
        }
        guard timeoutSeconds > 0, timeoutSeconds <= 86_400 else {
            throw ValidationError("--timeout-seconds must be above 0 and at most a day")
        }
        guard connectionSeconds >= 0, connectionSeconds <= 86_400 else {
            throw ValidationError("--connection-seconds can't be negative or more than a day; 0 is for ever")
        }
        guard let parts = URL(string: url), parts.host != nil, ["http", "https"].contains(parts.scheme?.lowercased())
        else { throw ValidationError("\"\(url)\" is no http:// or https:// address with a host") }
    }

    mutating func run() async throws {
        var stages: [LoadPlan.Stage] = []
        if rampSeconds > 0 { stages.append(.ramp(from: 0, to: rate, for: .seconds(rampSeconds))) }
        stages.append(.steady(rate, for: .seconds(seconds)))
        let load = Load(connectionLifetime: connectionSeconds > 0 ? .seconds(connectionSeconds) : nil)
        let request = try LoadRequest(
            url: url,
            body: try bodyBytes(),
            contentType: contentType,
            timeout: .seconds(timeoutSeconds)
        )
        let line = StatusLine()
        let plan = LoadPlan(stages: stages, spacing: uniform ? .uniform : .poisson)
        let summary = await Self.untilInterrupted { await load.run(plan, request) { line.show($0.text) } }
        line.clear()
        for text in summary.lines { print(text) }
        if summary.ok == 0 { throw ExitCode(1) }
    }

    /// Runs the load to its end, or cancels it at Ctrl-C: what was measured until then is worth a summary.
    private static func untilInterrupted(
        _ load: @escaping @Sendable () async -> LatencySummary
    ) async -> LatencySummary {
        let (interrupts, interruption) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let trap = SignalTrap([SIGINT, SIGTERM]) { interruption.finish() }
        defer { trap.end() }
        return await withTaskGroup(of: LatencySummary?.self) { group in
            group.addTask { await load() }
            group.addTask {
                for await _ in interrupts {}
                return nil
            }
            var summary = LatencySummary()
            for await ended in group {
                group.cancelAll()
                if let ended { summary = ended }
            }
            return summary
        }
    }

    private func bodyBytes() throws -> [UInt8]? {
        guard let body else { return nil }
        guard body.hasPrefix("@") else { return Array(body.utf8) }
        do { return try CommandFiles.read(String(body.dropFirst())) } catch {
            throw CommandFailure("--body @\(error)")
        }
    }
}
