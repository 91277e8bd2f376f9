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
        let run = Run()
        process.standardOutput = run.output.pipe
        process.standardError = run.errors.pipe
        process.standardInput = FileHandle.nullDevice
        let handle = ProcessHandle(process)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard run.begin(continuation) else { return }
                process.terminationHandler = { process in
                    run.ended(status: process.terminationReason == .exit ? process.terminationStatus : -1)
                }
                do {
                    try process.run()
                    // Given up before it ran: then nobody else ends it.
                    if run.isAbandoned { handle.end() }
                    run.watch(process.processIdentifier)
                } catch {
                    process.terminationHandler = nil
                    run.failed(error)
                }
            }
        } onCancel: {
            // In this order one of the two ends it: this one, or who sees after its start that it was given up.
            run.failed(CancellationError())
            handle.end()
        }
    }

    private static func find(_ command: String, searchPath: String) -> String? {
        let files = FileManager.default
        if command.contains("/") { return files.isExecutableFile(atPath: command) ? command : nil }
        return searchPath.split(separator: ":").map { "\($0)/\(command)" }
            .first { files.isExecutableFile(atPath: $0) }
    }

    /// What is waited for: the end of the program and of both its pipes.
    ///
    /// A program may leave another one behind that keeps the pipes open; so a moment after the program's end what has been
    /// written until then is the answer.
    private final class Run: Sendable {
        private struct State {
            var continuation: CheckedContinuation<HostSystem.ProgramResult, any Error>?
            var status: Int32?
            var isAbandoned = false
        }

        /// How long the pipes may stay open after the program's end.
        private static let patience = DispatchTimeInterval.milliseconds(500)
        /// How often is looked.
        private static let interval = DispatchTimeInterval.milliseconds(100)

        let output = Collector()
        let errors = Collector()
        private let state = Mutex(State())

        /// Whether nobody waits for it any more.
        var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

        /// `false` when the run was given up before it began.
        func begin(_ continuation: CheckedContinuation<HostSystem.ProgramResult, any Error>) -> Bool {
            let isOver = state.withLock { state in
                if !state.isAbandoned { state.continuation = continuation }
                return state.isAbandoned
            }
            if isOver {
                continuation.resume(throwing: CancellationError())
                return false
            }
            for collector in [output, errors] { collector.start { self.finish(isLate: false) } }
            return true
        }

        /// Looks every now and then whether the program is over: Foundation says so only when everything that the program
        /// left behind is over too.
        func watch(_ program: Int32) {
            DispatchQueue.global().asyncAfter(deadline: .now() + Self.interval) {
                guard self.state.withLock({ $0.continuation != nil && $0.status == nil }) else { return }
                guard let status = ChildProcess.status(of: program) else { return self.watch(program) }
                self.ended(status: status)
            }
        }

        func ended(status: Int32) {
            let isFirst = state.withLock { state in
                defer { state.status = state.status ?? status }
                return state.status == nil
            }
            guard isFirst else { return }
            // The program has its own copies of the writing ends: without ours the pipes end with it.
            for collector in [output, errors] { collector.closeWritingEnd() }
            finish(isLate: false)
            DispatchQueue.global().asyncAfter(deadline: .now() + Self.patience) { self.finish(isLate: true) }
        }

        func failed(_ error: any Error) {
            for collector in [output, errors] { collector.stop() }
            let continuation = state.withLock { state in
                state.isAbandoned = true
                return state.continuation.take()
            }
            continuation?.resume(throwing: error)
        }

        private func finish(isLate: Bool) {
            let done = state.withLock {
                state -> (CheckedContinuation<HostSystem.ProgramResult, any Error>, Int32)? in
                guard let status = state.status, isLate || (output.isAtEnd && errors.isAtEnd),
                    let continuation = state.continuation.take()
                else { return nil }
                return (continuation, status)
            }
            guard let (continuation, status) = done else { return }
            for collector in [output, errors] { collector.stop() }
            continuation.resume(
                returning: HostSystem.ProgramResult(
                    status: status,
                    output: output.kept,
                    errors: String(decoding: errors.kept, as: UTF8.self)
                )
            )
        }
    }

    /// Reads a pipe while the program runs, so that a full pipe can't block it; keeps the beginning.
    private final class Collector: Sendable {
        private struct State {
            var bytes: [UInt8] = []
            var isAtEnd = false
        }

        let pipe = Pipe()
        private let state = Mutex(State())

        var kept: [UInt8] { state.withLock { $0.bytes } }
        var isAtEnd: Bool { state.withLock { $0.isAtEnd } }

        func start(onEnd: @escaping @Sendable () -> Void) {
            pipe.fileHandleForReading.readabilityHandler = { handle in
                let data = handle.availableData
                self.state.withLock { state in
                    state.bytes += data.prefix(max(0, ProgramRunner.maximumOutput - state.bytes.count))
                    state.isAtEnd = data.isEmpty
                }
                guard data.isEmpty else { return }
                handle.readabilityHandler = nil
                onEnd()
            }
        }

        func closeWritingEnd() { try? pipe.fileHandleForWriting.close() }

        func stop() { pipe.fileHandleForReading.readabilityHandler = nil }
    }

    /// Ends the program when the task is cancelled; whatever it does about a polite request, so at once.
    private final class ProcessHandle: Sendable {
        private let process: Mutex<Process?>

        init(_ process: sending Process) { self.process = Mutex(process) }

        func end() {
            process.withLock { process in
                if let process, process.isRunning { kill(process.processIdentifier, SIGKILL) }
            }
        }
    }
}
