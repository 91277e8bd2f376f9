// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Templates

/// The `--templates` flag: a folder of YAML templates that take the place of built-in ones, as a mounted ConfigMap is one.
struct TemplateOptions: ParsableArguments {
    @Option(help: "A folder with templates of your own, such as deployment.yaml, in place of the built-in ones.")
    var templates: String?

    /// The built-in templates, with those of the folder in their place.
    /// - Throws: an error that names the file, and line and column where it has them.
    func load() throws -> TemplateSet {
        guard let folder = templates else { return .builtIn }
        let names: [String]
        do {
            // A mounted ConfigMap has its versions beside the files, under names with a dot.
            names = try CommandFiles.names(in: folder).filter { !$0.hasPrefix(".") }
        } catch {
            throw CommandFailure("--templates \(error)")
        }
        let known = TemplateSet.builtIn.names
        var texts: [String: String] = [:]
        for name in names {
            guard known.contains(name) else {
                throw CommandFailure(
                    "--templates \(folder): there is no template \(name) to replace, only \(known.joined(separator: ", "))"
                )
            }
            texts[name] = try CommandFiles.text("\(folder)/\(name)")
        }
        guard !texts.isEmpty else {
            throw CommandFailure("--templates \(folder): has none of \(known.joined(separator: ", "))")
        }
        do {
            return try TemplateSet(overriding: texts)
        } catch {
            throw CommandFailure("--templates \(folder): \(error)")
        }
    }
}
