// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
internal import Foundation

/// The few things of the machine that configuration needs, as values: tests put in their own.
public struct HostSystem: Sendable {
    /// What a program printed, and how it ended.
    public struct ProgramResult: Sendable, Hashable {
        /// The exit status; not 0 means failure.
        public var status: Int32
        /// What it wrote to the standard output.
        public var output: [UInt8]
        /// What it wrote to the standard error.
        public var errors: String

        /// A result.
        public init(status: Int32, output: [UInt8], errors: String = "") {
            self.status = status
            self.output = output
            self.errors = errors
        }
    }

    /// The program to run isn't there.
    public struct ProgramNotFound: Error {
        /// There is nothing more to say.
        public init() {}
    }

    /// Reads a whole file; `nil` when it doesn't exist. Throws when it can't be read.
    public var readFile: @Sendable (_ path: String) throws -> [UInt8]?
    /// A text that changes when the file changes (its times and size); `nil` when it doesn't exist.
    public var fileStamp: @Sendable (_ path: String) -> String?
    /// Runs a program (a path or a name to find in `PATH`) with variables added to the environment.
    /// Throws `ProgramNotFound` when there is none.
    public var runProgram:
        @Sendable (_ command: String, _ arguments: [String], _ environment: [String: String]) async throws ->
            ProgramResult

    /// A system of functions.
    public init(
        readFile: @escaping @Sendable (_ path: String) throws -> [UInt8]?,
        fileStamp: @escaping @Sendable (_ path: String) -> String? = { _ in nil },
        runProgram:
            @escaping @Sendable (
                _ command: String, _ arguments: [String], _ environment: [String: String]
            ) async throws -> ProgramResult = { _, _, _ in throw ProgramNotFound() }
    ) {
        self.readFile = readFile
        self.fileStamp = fileStamp
        self.runProgram = runProgram
    }

    /// The machine itself.
    public static let real = HostSystem(
        readFile: { path in
            do throws(SystemError) { return try WholeFile.read(path) } catch {
                guard error.isAbsence else { throw error }
                return nil
            }
        },
        fileStamp: { path in
            // A mounted secret is a link that is swapped: the attributes of its target count.
            let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
            guard let attributes = try? FileManager.default.attributesOfItem(atPath: target) else { return nil }
            let modified = (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
            return "\(target) \(modified) \(attributes[.size] ?? 0) \(attributes[.systemFileNumber] ?? 0)"
        },
        runProgram: { command, arguments, environment in
            try await ProgramRunner.run(command, arguments, environment)
        }
    )
}
