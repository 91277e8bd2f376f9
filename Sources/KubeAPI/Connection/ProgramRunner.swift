// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization

/// Runs a credential plugin with Foundation's `Process`.
enum ProgramRunner {
    /// The largest output that is kept, in bytes; a credential has a few thousand.
    static let maximumOutput = 1 << 20

    static func run(
        _ command: String,
        _ arguments: [String],
        _ environment: [String: String]
    ) async throws -> HostSystem.ProgramResult {
        let inherited = ProcessInfo.processInfo.environment
        guard let path = find(command, searchPath: environment["PATH"] ?? inherited["PATH"] ?? "") else {
            throw HostSystem.ProgramNotFound()
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = inherited.merging(environment) { $1 }
        let output = Collector()
        let errors = Collector()
        process.standardOutput = output.pipe
        process.standardError = errors.pipe
        process.standardInput = FileHandle.nullDevice
        let handle = ProcessHandle(process)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                process.terminationHandler = { process in
                    let result = HostSystem.ProgramResult(
                        status: process.terminationReason == .exit ? process.terminationStatus : -1,
                        output: output.finish(),
                        errors: String(decoding: errors.finish(), as: UTF8.self)
                    )
                    continuation.resume(returning: result)
                }
                output.start()
                errors.start()
                do {
                    try process.run()
                } catch {
                    process.terminationHandler = nil
                    _ = output.finish()
                    _ = errors.finish()
                    continuation.resume(throwing: error)
                }
            }
        } onCancel: {
            handle.terminate()
        }
    }

    private static func find(_ command: String, searchPath: String) -> String? {
        let files = FileManager.default
        if command.contains("/") { return files.isExecutableFile(atPath: command) ? command : nil }
        return searchPath.split(separator: ":").map { "\($0)/\(command)" }
            .first { files.isExecutableFile(atPath: $0) }
    }

    /// Reads a pipe while the program runs, so that a full pipe can't block it.
    private final class Collector: Sendable {
        let pipe = Pipe()
        private let bytes = Mutex<[UInt8]>([])

        func start() {
            pipe.fileHandleForReading.readabilityHandler = { handle in self.keep(handle.availableData) }
        }

        private func keep(_ data: Data) {
            bytes.withLock { bytes in
                bytes += data.prefix(max(0, ProgramRunner.maximumOutput - bytes.count))
            }
        }

        func finish() -> [UInt8] {
            pipe.fileHandleForReading.readabilityHandler = nil
            // Close our own writing end first: only a grandchild that keeps the pipe open could make this wait.
            try? pipe.fileHandleForWriting.close()
            if let rest = try? pipe.fileHandleForReading.readToEnd() { keep(rest) }
            return bytes.withLock { $0 }
        }
    }

    /// Ends the program when the task is cancelled.
    private final class ProcessHandle: Sendable {
        private let process: Mutex<Process?>

        init(_ process: sending Process) { self.process = Mutex(process) }

        func terminate() {
            process.withLock { process in
                if let process, process.isRunning { process.terminate() }
            }
        }
    }
}
