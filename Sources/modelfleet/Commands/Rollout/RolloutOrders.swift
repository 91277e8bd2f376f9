// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Controllers
import FleetAPI
import KubeAPI
import KubeModel

/// `modelfleet rollout promote`
struct RolloutPromoteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote",
        abstract: "Lets the rollout go on to its next step, or at once to all requests.",
        discussion: """
            The request names the step that was under way when it was made: asking twice skips no second step. The order that keeps
            requests safe stays: replicas get ready before they get traffic.
            """
    )

    @OptionGroup var options: RolloutOptions

    @Flag(help: "Skip all steps that are left.")
    var full = false

    mutating func run() async throws {
        let target = try options.target()
        let model = try await target.model()
        try await target.send(.promote(model, isFull: full, nonce: RolloutTarget.nonce()))
    }
}

/// `modelfleet rollout pause`
struct RolloutPauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Keeps the rollout where it is; the canary is still judged, and rolled back where it is worse."
    )

    @OptionGroup var options: RolloutOptions

    mutating func run() async throws {
        let target = try options.target()
        try await target.send(.pause(try await target.model()))
    }
}

/// `modelfleet rollout resume`
struct RolloutResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Lets a paused rollout go on."
    )

    @OptionGroup var options: RolloutOptions

    mutating func run() async throws {
        let target = try options.target()
        try await target.send(.resume(try await target.model()))
    }
}

/// `modelfleet rollout abort`
struct RolloutAbortCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "abort",
        abstract: "Gives the canary up: the traffic returns to the stable revision, then the canary's pods go."
    )

    @OptionGroup var options: RolloutOptions

    mutating func run() async throws {
        let target = try options.target()
        let model = try await target.model()
        try await target.send(.abort(model, nonce: RolloutTarget.nonce()))
    }
}

/// `modelfleet rollout retry`
struct RolloutRetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Tries a revision again that was rolled back."
    )

    @OptionGroup var options: RolloutOptions

    mutating func run() async throws {
        let target = try options.target()
        let model = try await target.model()
        try await target.send(.retry(model, nonce: RolloutTarget.nonce()))
    }
}

/// `modelfleet rollout undo`
struct RolloutUndoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undo",
        abstract: "Goes back to an earlier revision.",
        discussion: """
            Writes the model, runtime, resources and template of the revision into the model's spec; scaling and rollout settings stay.
            While a rollout is under way that is the stable revision, and the rollout is aborted at once; otherwise it is the
            last revision before the stable one that was promoted, and it is rolled out like any change.
            """
    )

    @OptionGroup var options: RolloutOptions

    @Option(help: "The revision to go back to; see modelfleet rollout history.")
    var toRevision: Int?

    mutating func run() async throws {
        let target = try options.target()
        let model = try await target.model()
        let selector = LabelSelector(matching: [FleetAPI.modelLabel: target.key.name])
        let revisions = try await target.client.list(
            RolloutUndo.resourceType,
            namespace: target.key.namespace,
            options: ListOptions(labelSelector: selector)
        )
        try await target.send(
            RolloutUndo.order(model, revisions: revisions.items, to: toRevision)
        )
    }
}
