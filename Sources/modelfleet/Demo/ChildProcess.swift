// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Another run of this program, with its log in a file; it ends when this process ends.
final class ChildProcess: Sendable {
    private let process: Mutex<Process>
    /// The process id.
    let id: Int32
    /// The file that its standard output and error go to.
    let log: String

    /// Starts `executable`.
    init(executable: String, arguments: [String], log: String) throws {
        guard FileManager.default.createFile(atPath: log, contents: nil), let output = FileHandle(forWritingAtPath: log)
        else { throw DemoError("can't write the log \(log)") }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.standardInput = Pipe()  // Held open by this process: its end tells the child to stop.
        process.standardOutput = output
        process.standardError = output
        try process.run()
        id = process.processIdentifier
        self.log = log
        self.process = Mutex(process)
    }

    /// Whether it still runs.
    var isRunning: Bool { process.withLock { $0.isRunning } }

    /// The end of its log, for a message.
    var lastWords: String {
        guard let text = try? String(contentsOfFile: log, encoding: .utf8) else { return "" }
        return text.split(separator: "\n").suffix(5).joined(separator: "\n")
    }

    /// Sends SIGTERM, waits up to `limit`, then sends SIGKILL.
    func stop(limit: Duration = .seconds(15)) async {
        process.withLock { if $0.isRunning { $0.terminate() } }
        let deadline = ContinuousClock.now.advanced(by: limit)
        while isRunning {
            if ContinuousClock.now > deadline {
                kill(id, SIGKILL)
                return
            }
            // Not cancellable on purpose: cleaning up goes on after Ctrl-C.
            await withCheckedContinuation { continuation in
                DispatchQueue.global().asyncAfter(deadline: .now() + 0.05) { continuation.resume() }
            }
        }
    }
}

/// Why the demo ended early.
struct DemoError: Error, CustomStringConvertible {
    /// One sentence, and what to look at.
    var description: String

    /// An error with its sentence.
    init(_ description: String) { self.description = description }
}
