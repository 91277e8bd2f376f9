// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FleetAPI
import Foundation
import KubeModel
import YAML

/// `modelfleet crds`
struct CRDsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crds",
        abstract: "Prints the custom resource definitions.",
        discussion: "To install them:  modelfleet crds | kubectl apply --server-side -f -"
    )

    @Option(help: "Write one file for each definition into this folder instead.")
    var output: String?

    mutating func run() throws {
        let definitions = FleetAPI.customResourceDefinitions
        guard let output else {
            let text = FleetAPI.generatedHeader + YAMLWriter().text(documents: definitions.map(\.json))
            return print(text, terminator: "")
        }
        do {
            try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
            for definition in definitions { try write(definition, into: output) }
        } catch {
            throw CommandFailure("the definitions can't be written into \"\(output)\": \(error.localizedDescription)")
        }
    }

    private func write(_ definition: KubeObject, into output: String) throws {
        let path = "\(output)/\(FleetAPI.fileName(of: definition))"
        let text = FleetAPI.generatedHeader + YAMLWriter().text(definition.json)
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        print(path)
    }
}
