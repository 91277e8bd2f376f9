// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation

/// The files that the commands read and write.
enum CommandFiles {
    /// The bytes of a file or a pipe.
    /// - Throws: the file and why it can't be read.
    static func read(_ file: String) throws(CommandFailure) -> [UInt8] {
        do throws(SystemError) { return try WholeFile.read(file) } catch {
            throw CommandFailure("\(file): \(reason(error))")
        }
    }

    private static func reason(_ error: SystemError) -> String {
        switch error.code {
        case ENOENT: "there is no such file"
        case EISDIR: "is a directory; name a file in it"
        default: "can't be read: \(error)"
        }
    }

    /// The text of a file or a pipe.
    /// - Throws: the file and why it can't be read.
    static func text(_ file: String) throws(CommandFailure) -> String {
        guard let text = String(validating: try read(file), as: UTF8.self) else {
            throw CommandFailure("\(file): isn't UTF-8 text")
        }
        return text
    }

    /// The names of what is in a folder, sorted.
    /// - Throws: the folder and why it can't be read.
    static func names(in folder: String) throws(CommandFailure) -> [String] {
        do { return try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } catch {
            let isThere = FileManager.default.fileExists(atPath: folder)
            throw CommandFailure(
                "\(folder): \(isThere ? "can't be read: \(reason(error))" : "there is no such folder")"
            )
        }
    }

    /// Checks that a file can be written, so that nobody waits for results that are lost.
    /// - Throws: the file and why it can't be written.
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
    /// - Throws: the file and why it can't be written.
    static func write(_ bytes: [UInt8], to file: String) throws(CommandFailure) {
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

    /// Makes a folder where there is none, with those above it.
    /// - Throws: the folder and why it can't be made.
    static func makeFolder(_ folder: String) throws(CommandFailure) {
        do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
            throw CommandFailure("\(folder): can't be made: \(reason(error)); name another folder")
        }
    }

    /// The system's words for what Foundation throws.
    private static func reason(_ error: any Error) -> String {
        guard let known = SystemError(error) else { return error.localizedDescription }
        return known.code == EEXIST ? "there is a file of that name" : "\(known)"
    }
}
