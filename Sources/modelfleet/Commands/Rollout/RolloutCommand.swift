// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import Controllers
import FleetAPI
import Foundation
import KubeAPI
import KubeModel

/// `modelfleet rollout`
struct RolloutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollout",
        abstract: "Shows and steers the rollout of a model.",
        discussion: """
            Watch it:             modelfleet rollout status NAME -w
            Go on, or all at once: modelfleet rollout promote NAME [--full]
            Give it up:           modelfleet rollout abort NAME
            Go back:              modelfleet rollout undo NAME [--to-revision N]

            With a link named kubectl-modelfleet to this program in the path, kubectl modelfleet rollout … is the same.
            """,
        subcommands: [
            RolloutStatusCommand.self, RolloutHistoryCommand.self, RolloutPromoteCommand.self,
            RolloutPauseCommand.self, RolloutResumeCommand.self, RolloutAbortCommand.self, RolloutUndoCommand.self,
            RolloutRetryCommand.self,
        ]
    )
}

/// Which model, and where.
struct RolloutOptions: ParsableArguments {
    @Argument(help: "The model's name.")
    var name: String

    @Option(name: [.short, .long], help: "The namespace; by default the context's.")
    var namespace: String?

    @Option(name: [.short, .long], help: "text or json.")
    var output: RolloutOutput = .text

    @OptionGroup var cluster: ClusterOptions

    /// The model in its cluster.
    func target() throws -> RolloutTarget {
        let connection = try cluster.connection()
        return RolloutTarget(
            client: try cluster.client(for: connection),
            key: ObjectKey(namespace: namespace ?? connection.namespace, model: name),
            output: output
        )
    }
}

/// How an answer is written.
enum RolloutOutput: String, ExpressibleByArgument, CaseIterable { case text, json }

/// One model in its cluster.
struct RolloutTarget: Sendable {
    /// The cluster.
    let client: KubeClient
    /// The model.
    let key: ObjectKey
    /// How answers are written.
    let output: RolloutOutput

    /// What makes a request differ from all others.
    static func nonce() -> String { String(SystemRandom().next(), radix: 36) }

    /// The model as it is stored.
    func model() async throws(KubeError) -> KubeObject { try await client.namedModel(key) }

    /// The model with its pods.
    func report(now: WallTime) async throws(KubeError) -> RolloutReport {
        let model = try await model()
        let selector = LabelSelector(matching: [FleetAPI.modelLabel: key.name])
        let options = ListOptions(labelSelector: selector)
        let pods = try await client.list(.pods, namespace: key.namespace, options: options).items
        return RolloutReport(model, pods: pods, now: now)
    }

    /// Sends an order and says what was asked.
    func send(_ order: RolloutOrder) async throws {
        try await client.patch(.modelDeployments, key, order.patch)
        switch output {
        case .text: print(order.message)
        case .json:
            let answer: JSONValue = [
                "name": .string(key.name), "namespace": .string(key.namespace ?? ""),
                "message": .string(order.message), "patch": order.patch.json,
            ]
            print(String(decoding: answer.encodedPretty(), as: UTF8.self))
        }
    }
}

/// `modelfleet rollout history`
struct RolloutHistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Lists the last revisions with their outcome, reason and times; * serves."
    )

    @OptionGroup var options: RolloutOptions

    mutating func run() async throws {
        let report = RolloutReport(try await options.target().model(), now: SystemTime().now())
        switch options.output {
        case .text: for line in report.historyLines { print(line.plain) }
        case .json:
            let history = report.json["history"] ?? .array([])
            print(String(decoding: history.encodedPretty(), as: UTF8.self))
        }
    }
}
