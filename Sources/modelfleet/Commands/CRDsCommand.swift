// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FleetAPI
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
        try CommandFiles.makeFolder(output)
        for definition in definitions {
            let path = "\(output)/\(FleetAPI.fileName(of: definition))"
            let text = FleetAPI.generatedHeader + YAMLWriter().text(definition.json)
            try CommandFiles.write(Array(text.utf8), to: path)
            print(path)
        }
    }
}
