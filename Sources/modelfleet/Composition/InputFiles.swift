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

    /// What was named, for messages.
    var names: String { filename.map { $0 == "-" ? "the standard input" : $0 }.joined(separator: ", ") }

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
            let name = file == "-" ? "standard input" : file
            let text = try text(of: file, name)
            do {
                return try JSONValue.documents(yaml: text).filter { !$0.isNull }.flatMap(Self.items)
                    .map { Document(file: name, json: $0) }
            } catch {
                throw CommandFailure("\(name): \(error)")
            }
        }
    }

    /// The objects of a list, as `kubectl get -o yaml` prints one; anything else by itself.
    private static func items(_ document: JSONValue) -> [JSONValue] {
        guard document["kind"]?.string?.hasSuffix("List") == true, let items = document["items"]?.array else {
            return [document]
        }
        return items
    }

    private func files(at path: String) throws -> [String] {
        var isFolder: ObjCBool = false
        guard path != "-" else { return ["-"] }
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw CommandFailure("\(path): there is no such file")
        }
        guard isFolder.boolValue else { return [path] }
        let names = try CommandFiles.names(in: path)
            .filter { [".yaml", ".yml", ".json"].contains(where: $0.hasSuffix) }
        guard !names.isEmpty else { throw CommandFailure("\(path): holds no .yaml, .yml or .json file") }
        return names.map { "\(path)/\($0)" }
    }

    private func text(of file: String, _ name: String) throws -> String {
        guard file == "-" else { return try CommandFiles.text(file) }
        let data: Data
        do { data = try FileHandle.standardInput.readToEnd() ?? Data() } catch {
            throw CommandFailure("\(name): can't be read: \(error.localizedDescription)")
        }
        guard let text = String(data: data, encoding: .utf8) else { throw CommandFailure("\(name): isn't UTF-8 text") }
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
