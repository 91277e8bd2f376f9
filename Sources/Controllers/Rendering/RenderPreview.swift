// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
public import KubeModel
public import Templates

/// What the operator would apply for a model that doesn't exist yet.
public enum RenderPreview {
    /// The objects for the first revision: Deployment NAME-r1, Service, and an HPA with that engine.
    ///
    /// Owner references are left out where the model has no `uid`, since it isn't stored.
    /// - Throws: `RenderPreviewError` for an invalid model or where no runtime fits; `TemplateError` of a template.
    public static func objects(
        for model: KubeObject,
        runtimes: [KubeObject],
        templates: TemplateSet = .builtIn
    ) throws -> [KubeObject] {
        if let first = ModelDeploymentValidation.validate(model.json).errors.first {
            throw RenderPreviewError(reason: .invalidSpec, message: "\(first.field): \(first.message)")
        }
        let model = ModelDeployment(model)
        switch ServingRuntime.choose(for: model, among: runtimes.map(ServingRuntime.init)) {
        case .none(let message): throw RenderPreviewError(reason: .noRuntime, message: message)
        case .found(let runtime):
            let input = RevisionInput(model: model, runtime: runtime)
            let renderer = ModelRenderer(templates: templates)
            let bodies = try renderer.bodies(input, wanted: 1, serving: 1, hash: input.hash)
            return [bodies.deployment, bodies.service, bodies.autoscaler].compactMap { body in
                guard var body else { return nil }
                if body.json.at("metadata", "ownerReferences")?.array?.isEmpty == true {
                    body.json.set(nil, at: "metadata", "ownerReferences")
                }
                return body
            }
        }
    }
}

/// Why there is nothing to show for a model.
public struct RenderPreviewError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of obstacle.
    public enum Reason: String, Sendable, Hashable {
        /// The spec is invalid.
        case invalidSpec = "InvalidSpec"
        /// No runtime serves the model's format.
        case noRuntime = "NoRuntime"
    }

    /// The kind of obstacle.
    public let reason: Reason
    /// One sentence with the field, what is wrong and what there is instead.
    public let message: String

    /// The sentence.
    public var description: String { message }
}
