// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Simulation

/// The files that a simulation reads and writes.
enum SimulationFiles {
    /// The bytes of a file.
    /// - Throws: why it can't be read.
    static func read(_ file: String) throws -> [UInt8] {
        var isFolder: ObjCBool = false
        guard unsafe FileManager.default.fileExists(atPath: file, isDirectory: &isFolder) else {
            throw CommandFailure("\(file): there is no such file")
        }
        guard !isFolder.boolValue else { throw CommandFailure("\(file): is a directory; name a file in it") }
        do { return [UInt8](try Data(contentsOf: URL(fileURLWithPath: file))) } catch {
            throw CommandFailure("\(file): can't be read: \(reason(error))")
        }
    }

    /// The trace in a CSV file.
    static func trace(_ file: String, interval: Double?) throws -> ArrivalTrace {
        let name = URL(fileURLWithPath: file).lastPathComponent
        do { return try ArrivalTrace(name: name, csv: read(file), interval: interval) } catch let error as TraceError {
            throw CommandFailure("\(error)")
        }
    }

    /// Checks that a file can be written, so that nobody waits for a simulation whose report is lost.
    /// - Throws: why it can't.
    static func checkWritable(_ file: String?) throws {
        guard let file, file != "-" else { return }
        let manager = FileManager.default
        var isFolder: ObjCBool = false
        if unsafe manager.fileExists(atPath: file, isDirectory: &isFolder) {
            guard !isFolder.boolValue else { throw CommandFailure("\(file): is a directory; name a file in it") }
            guard manager.isWritableFile(atPath: file) else {
                throw CommandFailure("\(file): can't be written: permission denied; name another file")
            }
            return
        }
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent().path
        guard !file.isEmpty, unsafe manager.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue
        else {
            throw CommandFailure("\(file): can't be written: there is no folder \(folder); make it first")
        }
        guard manager.isWritableFile(atPath: folder) else {
            throw CommandFailure("\(file): can't be written: permission denied in \(folder); name another folder")
        }
    }

    /// Writes a file, or to the standard output for `-`.
    static func write(_ bytes: [UInt8], to file: String) throws {
        do {
            if file == "-" {
                try FileHandle.standardOutput.write(contentsOf: Data(bytes))
            } else {
                try Data(bytes).write(to: URL(fileURLWithPath: file))
            }
        } catch {
            throw CommandFailure("\(file): can't be written: \(reason(error))")
        }
    }

    /// A line on the standard error.
    static func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    private static func reason(_ error: any Error) -> String {
        switch (error as? CocoaError)?.code {
        case .fileReadNoPermission, .fileWriteNoPermission: "permission denied"
        case .fileNoSuchFile, .fileReadNoSuchFile: "there is no such file or folder"
        case .fileWriteOutOfSpace: "the disk is full"
        case .fileWriteVolumeReadOnly: "the disk is read-only"
        default: error.localizedDescription
        }
    }
}
