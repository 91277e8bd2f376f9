// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import Foundation
import KubeModel
import Testing
import YAML

/// What can be said of the Helm chart without Helm.
@Suite("The Helm chart")
struct ChartTests {
    private static let chart = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "charts/modelfleet")

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: chart.appending(path: path), encoding: .utf8)
    }

    private static func values() throws -> JSONValue {
        try #require(try JSONValue.documents(yaml: text("values.yaml")).first)
    }

    @Test("every value that can be set is read by a template, and named in the schema")
    func valuesAreRead() throws {
        let folder = Self.chart.appending(path: "templates")
        let templates = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .map { try Self.text("templates/\($0)") }.joined()
        let schema = try JSONValue(parsing: Self.text("values.schema.json"))
        for (name, value) in try #require(try Self.values().object) {
            #expect(schema["properties"]?[name] != nil, "\(name) isn't in the schema")
            // What is passed on as it is, or is a list or a map to begin with, is read as a whole.
            let inner = templates.contains("toYaml .Values.\(name) ") ? [] : value.object.map { Array($0.keys) } ?? []
            for path in inner.isEmpty ? [name] : inner.map({ "\(name).\($0)" }) {
                #expect(templates.contains(".Values.\(path) "), "no template reads \(path)")
            }
        }
    }

    @Test("its ServingRuntime is the built-in one, but for the image")
    func runtime() throws {
        let image = try #require(try Self.values()["servingRuntime"]?["image"]?.string)
        // Every directive in it stands alone in its line, or for a text.
        let plain = try Self.text("templates/servingruntime.yaml").split(separator: "\n")
            .filter { !$0.hasPrefix("{{-") }
            .map { line in
                line.replacing("{{ .Values.servingRuntime.image | quote }}", with: image)
                    .replacing(#/\{\{.*\}\}/#, with: "x")
            }
        let object = try #require(try JSONValue.documents(yaml: plain.joined(separator: "\n")).first)
        #expect(object["spec"] == ServingRuntime.builtIn.json["spec"])
        #expect(object["metadata"]?["name"]?.string == ServingRuntime.builtIn.name)
        #expect(object["apiVersion"] == ServingRuntime.builtIn.json["apiVersion"])
        #expect(object["kind"] == ServingRuntime.builtIn.json["kind"])
    }
}
