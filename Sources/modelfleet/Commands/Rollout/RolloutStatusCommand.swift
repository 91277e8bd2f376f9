// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import Controllers
import Foundation
import KubeAPI
import KubeModel

/// `modelfleet rollout status`
struct RolloutStatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows a model's rollout: tracks, pods, weights, steps and the judge's view.",
        discussion: """
            With -w it is drawn anew on a terminal until the rollout has ended; elsewhere each news is a line. The exit code then says how:
            0 the revision of the spec serves, 1 it was rolled back or doesn't get ready, 2 the time was over before.
            """
    )

    @OptionGroup var options: RolloutOptions

    @Flag(name: [.short, .long], help: "Follow the rollout until it has ended.")
    var watch = false

    @Option(help: "How long to follow at most, as 90s or 1h30m; without it there is no limit.")
    var timeout: DurationArgument?

    mutating func run() async throws {
        let target = try options.target()
        let time = SystemTime()
        guard watch else {
            show(try await target.report(now: time.now()))
            return
        }
        let end = await RolloutWatch(target: target, time: time).run(timeout: timeout?.duration)
        switch end {
        case .settled?: return
        case .rolledBack?: throw ExitCode(1)
        case nil: throw ExitCode(2)
        }
    }

    private func show(_ report: RolloutReport) {
        switch options.output {
        case .text:
            let isTerminal = TerminalSize.ofOutput != nil
            for line in report.tree { print(isTerminal ? line.colored(width: 10_000) : line.plain) }
        case .json: print(String(decoding: report.json.encodedPretty(), as: UTF8.self))
        }
    }
}

/// Follows one rollout on standard output.
struct RolloutWatch {
    /// How often it looks.
    static let interval = Duration.seconds(1)

    /// The model; JSON is one object a line.
    let target: RolloutTarget
    /// The time.
    let time: any TimeSource

    /// Follows until the rollout has ended; `nil` when the time was over, or the model is gone.
    func run(timeout: Duration?) async -> RolloutReport.End? {
        let start = time.now()
        var block = TerminalBlock()
        var shown: [String]?
        var last: RolloutReport?
        var trouble: String?
        while true {
            do throws(KubeError) {
                let report = try await target.report(now: time.now())
                (last, trouble) = (report, nil)
                write(report, &block, &shown, trouble: nil)
                if let end = report.end { return end }
            } catch {
                if error.isNotFound {
                    say("there is no model \(target.key)")
                    return nil
                }
                // A server that is away for a moment ends nothing.
                let clause = "\(error)"
                if trouble != clause, TerminalSize.ofOutput == nil { say(clause) }
                trouble = clause
                if let last {
                    write(last, &block, &shown, trouble: clause)
                } else if TerminalSize.ofOutput != nil {
                    say(clause)
                }
            }
            if let timeout, time.now() - start >= timeout {
                say("the rollout has not ended within \(timeout.inSeconds) s; it goes on without being watched")
                return nil
            }
            guard (try? await time.sleep(for: Self.interval)) != nil else { return nil }
        }
    }

    private func write(
        _ report: RolloutReport,
        _ block: inout TerminalBlock,
        _ shown: inout [String]?,
        trouble: String?
    ) {
        let isNews = report.milestone != shown
        switch target.output {
        case .json:
            guard isNews else { return }
            put(String(decoding: report.json.encoded(), as: UTF8.self))
        case .text:
            if let size = TerminalSize.ofOutput {
                var lines = report.tree.map { $0.colored(width: size.columns - 1) }
                if let trouble { lines.append("can't look: \(String(trouble.prefix(max(10, size.columns - 14))))") }
                block.draw(lines, rows: size.rows)
            } else if isNews {
                put("\(time.now().rfc3339) \(report.line)")
            }
        }
        shown = report.milestone
    }

    /// Writes a line past all buffers: whoever reads a pipe follows as well.
    private func put(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

    private func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}

/// Lines at the end of a terminal that are written over.
struct TerminalBlock {
    private var drawn = 0

    /// Draws lines instead of those drawn before; more than fit are cut, since only what is on the screen can be written over.
    mutating func draw(_ lines: [String], rows: Int) {
        var lines = lines
        if lines.count > max(3, rows - 1) {
            let rest = lines.count - max(2, rows - 2)
            lines = lines.prefix(max(2, rows - 2)) + ["… \(rest) more lines"]
        }
        var text = drawn > 0 ? "\u{1b}[\(drawn)A\r" : ""
        for line in lines { text += "\u{1b}[2K" + line + "\n" }
        text += "\u{1b}[0J"
        drawn = lines.count
        FileHandle.standardOutput.write(Data(text.utf8))
    }
}
