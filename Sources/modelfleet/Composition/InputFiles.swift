// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import KubeModel
import YAML

/// The `-f` flag: files, folders of files, or `-` for the standard input.
struct InputFiles: ParsableArguments {
    @Option(name: [.customShort("f"), .customLong("filename")], help: "A file, a folder, or - for the standard input.")
    var filename: [String] = []

    mutating func validate() throws {
        guard !filename.isEmpty else { throw ValidationError("say which file: -f model.yaml") }
    }

    /// One document and the file it came from.
    struct Document {
        /// The file's name, or `standard input`.
        var file: String
        /// The document as it stands there.
        var json: JSONValue
    }

    /// Every document of every file, in their order; empty documents are left out.
    /// - Throws: an error that names the file, and line and column where it has them.
    func documents() throws -> [Document] {
        try filename.flatMap(files(at:)).flatMap { file in
            let text: String
            do {
                text = file == "-" ? try standardInput() : try String(contentsOfFile: file, encoding: .utf8)
            } catch {
                throw CommandFailure("\(file): can't be read: \(error.localizedDescription)")
            }
            do {
                return try JSONValue.documents(yaml: text).filter { !$0.isNull }
                    .map { Document(file: file == "-" ? "standard input" : file, json: $0) }
            } catch {
                throw CommandFailure("\(file): \(error)")
            }
        }
    }

    private func files(at path: String) throws -> [String] {
        var isFolder: ObjCBool = false
        guard path != "-" else { return ["-"] }
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw CommandFailure("\(path): there is no such file")
        }
        guard isFolder.boolValue else { return [path] }
        return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
            .filter { [".yaml", ".yml", ".json"].contains(where: $0.hasSuffix) }.map { "\(path)/\($0)" }
    }

    private func standardInput() throws -> String {
        let data = try FileHandle.standardInput.readToEnd() ?? Data()
        guard let text = String(data: data, encoding: .utf8) else {
            throw CocoaError(.fileReadInapplicableStringEncoding)
        }
        return text
    }
}

/// A command couldn't do its work; its message is all the user sees.
struct CommandFailure: Error, CustomStringConvertible {
    /// One line: the thing, the reason, the next step.
    var description: String

    /// A failure with its line.
    init(_ description: String) { self.description = description }
}
