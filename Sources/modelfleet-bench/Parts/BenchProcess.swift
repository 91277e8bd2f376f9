// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A process that is measured; its log is a file, and it ends when this program ends.
final class BenchProcess: Sendable {
    private let process: Mutex<Process>
    /// The process id.
    let id: Int32
    private let log: String

    /// Starts `executable` with the variables of this process and `environment`.
    init(_ executable: String, _ arguments: [String], environment: [String: String] = [:], log: String) throws {
        guard FileManager.default.isExecutableFile(atPath: executable) else {
            throw BenchError("there is no program \(executable); build it first")
        }
        guard FileManager.default.createFile(atPath: log, contents: nil), let output = FileHandle(forWritingAtPath: log)
        else { throw BenchError("can't write the log \(log)") }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = Pipe()  // Its end tells modelfleet to stop (--stop-with-parent).
        process.standardOutput = output
        process.standardError = output
        try process.run()
        id = process.processIdentifier
        self.log = log
        self.process = Mutex(process)
    }

    /// Whether it still runs.
    var isRunning: Bool { process.withLock { $0.isRunning } }

    /// What it has used so far.
    var usage: ProcessUsage { get throws { try ProcessUsage(of: id) } }

    /// The exit code once it has ended.
    var exitCode: Int32 { process.withLock { $0.terminationStatus } }

    /// The end of its log, for a message.
    var lastWords: String {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(8).joined(separator: "\n")
    }

    /// Sends SIGTERM, waits up to `limit`, then sends SIGKILL.
    func stop(limit: Duration = .seconds(25)) async {
        process.withLock { if $0.isRunning { $0.terminate() } }
        let deadline = ContinuousClock.now.advanced(by: limit)
        while isRunning {
            if ContinuousClock.now > deadline { kill(id, SIGKILL) }
            // Not cancellable on purpose: cleaning up goes on after an error.
            await withCheckedContinuation { continuation in
                DispatchQueue.global().asyncAfter(deadline: .now() + 0.02) { continuation.resume() }
            }
        }
    }
}
