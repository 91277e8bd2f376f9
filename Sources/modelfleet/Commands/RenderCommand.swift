// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Controllers
import FleetAPI
import KubeModel
import Templates
import YAML

/// `modelfleet render`
struct RenderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "render",
        abstract: "Prints the objects that the operator would apply for a ModelDeployment, without a cluster.",
        discussion: "ServingRuntimes in the files are used besides the built-in one."
    )

    @OptionGroup var input: InputFiles

    @OptionGroup var templateOptions: TemplateOptions

    mutating func run() throws {
        let templates = try templateOptions.load()
        let documents = try input.documents()
        var runtimes = [ServingRuntime.builtIn]
        var models: [KubeObject] = []
        for document in documents {
            let findings = Findings(of: document.json)
            guard findings.isKnown else { continue }
            guard findings.errors.isEmpty else {
                throw CommandFailure(
                    "\(document.file): \(findings.subject): \(findings.errors.joined(separator: "; "))"
                )
            }
            var object = KubeObject(document.json)
            if object.kind == ResourceType.servingRuntimes.kind {
                runtimes.append(object)
            } else {
                if object.namespace == nil { object.namespace = "default" }
                models.append(object)
            }
        }
        guard !models.isEmpty else { throw CommandFailure("there is no ModelDeployment in the files") }
        var objects: [JSONValue] = []
        for model in models {
            objects += try RenderPreview.objects(for: model, runtimes: runtimes, templates: templates).map(\.json)
        }
        print(YAMLWriter().text(documents: objects), terminator: "")
    }
}
