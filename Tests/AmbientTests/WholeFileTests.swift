// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import Testing

@Suite("Whole files")
struct WholeFileTests {
    @Test("reads a file of several pieces, an empty one, and a pipe")
    func contents() throws {
        let file = NSTemporaryDirectory() + "whole-file-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        #expect(try WholeFile.read(file) == bytes)
        #expect(try WholeFile.read("/dev/null") == [])

        let pipe = Pipe()
        try pipe.fileHandleForWriting.write(contentsOf: Data("piped".utf8))
        try pipe.fileHandleForWriting.close()
        #expect(try WholeFile.read("/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)") == Array("piped".utf8))
    }

    @Test("finds out whether a file can be written, and changes none")
    func writing() throws {
        let folder = NSTemporaryDirectory() + "whole-file-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = folder + "/f"
        try WholeFile.checkWriting(file)
        #expect(!FileManager.default.fileExists(atPath: file))
        try Data("as it is".utf8).write(to: URL(fileURLWithPath: file))
        try WholeFile.checkWriting(file)
        #expect(try WholeFile.read(file) == Array("as it is".utf8))
        try WholeFile.checkWriting("/dev/null")
        for (path, words) in [
            (folder, "is a directory"), (folder + "/none/f", "no such file or directory"),
            (file + "/f", "not a directory"),
        ] {
            let error = #expect(throws: SystemError.self) { try WholeFile.checkWriting(path) }
            #expect(error?.description == words)
        }
    }

    @Test("reads no more than it may")
    func limit() throws {
        #expect(throws: SystemError(code: EFBIG)) { try WholeFile.read("/dev/zero", limit: 100_000) }
    }

    @Test("says in the system's words why a file can't be read, and whether it is missing")
    func failures() {
        for (path, words, isAbsence) in [
            ("/nowhere/at/all", "no such file or directory", true), ("/dev/null/file", "not a directory", true),
            ("/", "is a directory", false),
        ] {
            let error = #expect(throws: SystemError.self) { try WholeFile.read(path) }
            #expect(error?.description == words)
            #expect(error?.isAbsence == isAbsence)
        }
    }
}
