// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Controllers
import FleetAPI
import KubeAPI
import KubeModel

/// `modelfleet explain`
struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Says why a model has as many replicas as it has.",
        discussion: """
            Shows the last scaling decision with each signal, the one that won and every limit in order, replays it from
            what it was made from, and lists the decisions before it that changed the count. With engine
            HorizontalPodAutoscaler it shows what the cluster's HPA says.
            """
    )

    /// How the answer is written.
    enum Output: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Argument(help: "The model's name.")
    var name: String

    @Option(name: [.short, .long], help: "The namespace; by default the context's.")
    var namespace: String?

    @Option(name: [.short, .long], help: "text or json.")
    var output: Output = .text

    @OptionGroup var cluster: ClusterOptions

    mutating func run() async throws {
        let connection = try cluster.connection()
        let client = try cluster.client(for: connection)
        let key = ObjectKey(namespace: namespace ?? connection.namespace, model: name)
        let model = try await client.namedModel(key)
        // The operator keeps it under the model's name.
        var autoscaler: KubeObject?
        var unread: String?
        if ScalingExplanation.needsAutoscaler(model) {
            do { autoscaler = try await client.find(.horizontalPodAutoscalers, key) } catch {
                // Who may read models need not be allowed to read HPAs.
                guard error.isForbidden else { throw error }
                unread = error.message
            }
        }
        let explanation = ScalingExplanation(model, autoscaler: autoscaler, unread: unread)
        switch output {
        case .text: print(explanation.text, terminator: "")
        case .json: print(String(decoding: explanation.json.encodedPretty(), as: UTF8.self))
        }
    }
}
