// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import Foundation
import KubeModel
import Testing
import YAML

@Suite("Definitions and manifests")
struct DefinitionTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The definitions, their exact copies in the chart, and the built-in runtime.
    static let files: [(path: String, object: KubeObject)] =
        ["crds", "charts/modelfleet/crds"].flatMap { folder in
            FleetAPI.customResourceDefinitions.map { ("\(folder)/\(FleetAPI.fileName(of: $0))", $0) }
        } + [("manifests/runtimes/modelfleet-onnx.yaml", ServingRuntime.builtIn)]

    @Test("the committed YAML is what the Swift definitions say (RECORD_GOLDEN=1 writes it and fails)")
    func committed() throws {
        for (path, object) in Self.files {
            let file = Self.root.appending(path: path)
            let text = FleetAPI.generatedHeader + YAMLWriter().text(object.json)
            if ProcessInfo.processInfo.environment["RECORD_GOLDEN"] == "1" {
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try Data(text.utf8).write(to: file)
                Issue.record("recorded \(path)")
            }
            let committed = try String(contentsOf: file, encoding: .utf8)
            #expect(committed == text, "\(path) differs from the definition; run the tests with RECORD_GOLDEN=1")
            #expect(try JSONValue.documents(yaml: committed) == [object.json])
        }
    }

    @Test("the folders of definitions hold nothing else", arguments: ["crds", "charts/modelfleet/crds"])
    func complete(folder: String) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.root.appending(path: folder).path)
        #expect(names.sorted() == ["modelfleet.dev_modeldeployments.yaml", "modelfleet.dev_servingruntimes.yaml"])
    }

    @Test("the schemas are structural, and every field has a description")
    func structural() throws {
        for schema in [ModelDeployment.schema, ServingRuntime.schema] {
            #expect(schema.unsupportedFeatures.allSatisfy { $0.hasPrefix("x-kubernetes-validations at spec.") })
            #expect(try StructuralSchema(parsing: schema.json) == schema)
            check(schema, at: "")
        }
    }

    private func check(_ schema: StructuralSchema, at path: String) {
        for (name, child) in schema.properties {
            #expect(child.description?.isEmpty == false, "\(path).\(name) has no description")
            check(child, at: "\(path).\(name)")
        }
        if let items = schema.items { check(items, at: path + "[]") }
    }

    @Test("the examples and the built-in runtime are valid")
    func examples() throws {
        let folder = Self.root.appending(path: "manifests/examples")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "yaml" }
        #expect(files.count >= 4)
        for file in files {
            for json in try JSONValue.documents(yaml: try String(contentsOf: file, encoding: .utf8)) {
                #expect(ModelDeploymentValidation.validate(json).errors == [], "\(file.lastPathComponent)")
                #expect(ModelDeployment.schema.pruning(json).unknownFields.isEmpty, "\(file.lastPathComponent)")
            }
        }
        #expect(ServingRuntimeValidation.validate(ServingRuntime.builtIn.json) == ValidationFindings())
        #expect(ServingRuntime.schema.pruning(ServingRuntime.builtIn.json).unknownFields.isEmpty)
    }
}
