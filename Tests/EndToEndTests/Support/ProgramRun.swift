// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A folder of one test, removed at its end.
struct TestFolder: ~Copyable {
    /// Its path.
    let path: String

    /// Makes it, for this user only.
    init() throws {
        path = NSTemporaryDirectory() + "mf-e2e-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A run of a built program, with its output in a file.
final class ProgramRun: Sendable {
    /// The process id.
    let id: Int32
    private let process: Mutex<Process>
    private let log: String

    /// Starts `executable` in the project's folder, with no more of this process's environment than `PATH`.
    ///
    /// Its standard input is a pipe that this process holds: with `--stop-with-parent` the program ends with the tests.
    init(_ executable: String, _ arguments: [String], folder: String, environment: [String: String] = [:]) throws {
        log = "\(folder)/\(UUID().uuidString).log"
        guard FileManager.default.createFile(atPath: log, contents: nil), let output = FileHandle(forWritingAtPath: log)
        else { throw TestFailure("can't write \(log)") }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: Programs.project)
        let own = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "HOME": folder]
        process.environment = own.merging(environment) { $1 }
        process.standardInput = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        id = process.processIdentifier
        self.process = Mutex(process)
    }

    /// Whether it still runs.
    var isRunning: Bool { process.withLock { $0.isRunning } }

    /// What it has printed so far, errors included.
    var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    /// Sends a signal.
    func send(_ signal: Int32) { if isRunning { kill(id, signal) } }

    /// Waits for its end; the exit status, or 128 and the signal that ended it.
    @discardableResult
    func end(within limit: Duration) async throws -> Int32 {
        try await eventually(
            within: limit,
            "the end of process \(id)",
            seen: { "Its output: \(self.output.suffix(2000))" }
        ) {
            self.process.withLock { process in
                guard !process.isRunning else { return nil }
                return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
            }
        }
    }

    /// Ends it: SIGTERM, then SIGKILL when that doesn't help in time.
    func stop(within limit: Duration = .seconds(15)) async {
        send(SIGTERM)
        do { try await end(within: limit) } catch { send(SIGKILL) }
    }

    /// Runs a program to its end; its exit status and all of its output.
    static func result(
        _ executable: String,
        _ arguments: [String],
        folder: String,
        environment: [String: String] = [:],
        within limit: Duration = .seconds(30)
    ) async throws -> (status: Int32, output: String) {
        let run = try ProgramRun(executable, arguments, folder: folder, environment: environment)
        do {
            let status = try await run.end(within: limit)
            return (status, run.output)
        } catch {
            run.send(SIGKILL)
            throw error
        }
    }
}

/// Which processes are whose, from `/proc`.
enum ProcessTable {
    /// A process, told from a later one with the same id by its start.
    struct Entry: Hashable, Sendable {
        /// The id.
        var id: Int32
        /// The kernel's clock ticks at its start.
        var started: String

        /// Whether it is one of this project's inference servers.
        var isServer: Bool {
            let name = try? String(contentsOfFile: "/proc/\(id)/cmdline", encoding: .utf8).split(separator: "\0").first
            return name?.hasSuffix("/modelfleet-server") ?? false
        }
    }

    /// All children of a process, and theirs.
    static func descendants(of root: Int32) -> Set<Entry> {
        var children: [Int32: [Entry]] = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let id = Int32(name), let (parent, entry) = read(id) else { continue }
            children[parent, default: []].append(entry)
        }
        var found: Set<Entry> = []
        var waiting = [root]
        while let next = waiting.popLast() {
            for child in children[next] ?? [] where found.insert(child).inserted { waiting.append(child.id) }
        }
        return found
    }

    /// Whether that very process still runs; one that has ended and waits to be collected doesn't.
    static func isRunning(_ entry: Entry) -> Bool { read(entry.id)?.1 == entry }

    private static func read(_ id: Int32) -> (Int32, Entry)? {
        guard let text = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X", let parent = Int32(fields[1]) else { return nil }
        return (parent, Entry(id: id, started: String(fields[19])))
    }
}
