// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FleetAPI
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import YAML

/// `modelfleet get`
struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Lists the models, or shows one with its conditions and its last scaling decision."
    )

    /// How the answer is written.
    enum Output: String, ExpressibleByArgument, CaseIterable { case table, yaml, json }

    @Argument(help: "The model's name; without one all are listed.")
    var name: String?

    @Option(name: [.short, .long], help: "The namespace; by default the context's.")
    var namespace: String?

    @Flag(name: [.customShort("A"), .long], help: "List the models of all namespaces.")
    var allNamespaces = false

    @Option(name: [.short, .long], help: "table, yaml or json.")
    var output: Output = .table

    @OptionGroup var cluster: ClusterOptions

    mutating func run() async throws {
        let connection = try cluster.connection()
        let client = try cluster.client(for: connection)
        let namespace = allNamespaces ? nil : namespace ?? connection.namespace
        if let name {
            let key = ObjectKey(namespace: namespace ?? connection.namespace, model: name)
            let model = try await client.namedModel(key)
            switch output {
            case .table: print(ModelReport(model).text, terminator: "")
            case .yaml: print(YAMLWriter().text(model.json), terminator: "")
            case .json: print(String(decoding: model.json.encodedPretty(), as: UTF8.self))
            }
            return
        }
        let models = try await client.list(.modelDeployments, namespace: namespace).items
        switch output {
        case .table:
            if models.isEmpty { return print("There are no models\(namespace.map { " in namespace \($0)" } ?? "").") }
            print(ModelReport.table(models, showsNamespace: allNamespaces), terminator: "")
        case .yaml: print(YAMLWriter().text(documents: models.map(\.json)), terminator: "")
        case .json: print(String(decoding: JSONValue.array(models.map(\.json)).encodedPretty(), as: UTF8.self))
        }
    }
}
