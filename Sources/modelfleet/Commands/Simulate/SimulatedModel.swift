// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Controllers
import FleetAPI
import KubeModel
import Scaling
import Simulation

/// The model to simulate: the only one of the input, or the one that was named, and valid.
struct SimulatedModel {
    /// The model.
    let model: ModelDeployment
    /// What validation warns of, each with file and model.
    let warnings: [String]
    /// File and model, for messages: `model.yaml: ModelDeployment iris`.
    private let subject: String

    /// Picks a model.
    /// - Throws: when there is none, or several and no name, or when it isn't valid: what `modelfleet validate` says.
    init(_ input: InputFiles, name: String?) throws {
        let files = input.filename.joined(separator: ", ")
        let kind = ResourceType.modelDeployments.kind
        let models = try input.documents().filter { KubeObject($0.json).kind == kind }
        let names = models.map { KubeObject($0.json).name }
        let listed = names.joined(separator: ", ")
        guard !models.isEmpty else {
            throw CommandFailure("\(files): no \(kind) in it; name the file of the model with -f")
        }
        let found = name.map { name in models.filter { KubeObject($0.json).name == name } } ?? models
        guard let document = found.first else {
            throw CommandFailure("\(files): no \(kind) is named \(name ?? ""); there are \(listed)")
        }
        guard found.count == 1 else {
            let next = name == nil ? "say which one with --name" : "give the file of one of them with -f"
            throw CommandFailure("\(files): \(found.count) models, \(listed); \(next)")
        }
        let findings = Findings(of: document.json)
        let place = "\(document.file): \(findings.subject)"
        var errors = findings.errors
        if !findings.isKnown {
            errors.append("apiVersion isn't \(ResourceType.modelDeployments.apiVersion): put that there")
        }
        guard errors.isEmpty else {
            throw CommandFailure(errors.map { "\(place): error: \($0)" }.joined(separator: "\n"))
        }
        subject = place
        warnings = findings.warnings.map { "\(place): warning: \($0)" }
        model = ModelDeployment(KubeObject(document.json))
    }

    /// The latency objective.
    func latency() throws -> ModelDeployment.LatencyPromise {
        guard let latency = model.scaling.latency else {
            throw CommandFailure(
                "\(subject): no spec.scaling.objective.latency, so no request could be late; add what is on time, as "
                    + "objective: {latency: {percentile: 95, milliseconds: 500}}"
            )
        }
        return latency
    }

    /// The model's own settings for our policies.
    var scaling: ModelScaling {
        ModelScaling(
            name: model.object.name,
            slo: model.scalingPolicy(as: .slo),
            tracking: model.scalingPolicy(as: .targetTracking),
            intervalSeconds: Double(model.scaling.intervalSeconds),
            notSimulated: notSimulated
        )
    }

    /// What changes the count in a cluster and not here.
    private var notSimulated: [String] {
        let spec = model.scaling
        var parts: [String] = []
        if spec.engine != .direct { parts.append("engine \(spec.engine.rawValue)") }
        if spec.policy == .rule { parts.append("policy Rule (the row rule is another, see docs/scaling.md)") }
        if !spec.schedules.isEmpty { parts.append("schedules") }
        if spec.fallback != nil { parts.append("fallback") }
        if spec.isPaused { parts.append("paused") }
        if spec.isObserved { parts.append("mode Observe") }
        if spec.prometheus != nil { parts.append("metricsSource Prometheus") }
        return parts
    }
}
