// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Scaling
import Templates

/// The bodies to apply for one model.
struct RenderedBodies {
    /// The wanted revision's Deployment, without replicas.
    let deployment: KubeObject
    /// The Service; it selects the revision that gets the traffic.
    let service: KubeObject
    /// The Service of the revision that is being rolled out, where there is to be one.
    let canaryService: KubeObject?
    /// The HPA, with engine `HorizontalPodAutoscaler`.
    let autoscaler: KubeObject?
}

/// Turns a revision's input into bodies, through the templates.
struct ModelRenderer: Sendable {
    /// The templates.
    let templates: TemplateSet

    /// Renders all bodies.
    /// - Throws: `TemplateError` with template, line and column.
    /// - Parameters:
    ///   - serving: the revision that the Service selects; `nil`: the pods of all revisions.
    ///   - canary: the revision that the canary Service selects; `nil` for no such Service.
    func bodies(
        _ input: RevisionInput,
        wanted: Int,
        serving: Int?,
        canary: Int? = nil,
        hash: String
    ) throws(TemplateError) -> RenderedBodies {
        var context = common(input)
        select(wanted, hash: hash, of: input, in: &context)
        let model = input.model.object
        var deployment = try render("deployment", .deployments, as: "\(model.name)-r\(wanted)", of: model, context)
        deployment.setAnnotation(FleetAPI.revisionHashAnnotation, to: hash)
        deployment.setAnnotation(FleetAPI.versionAnnotation, to: input.model.versionName)
        deployment.setAnnotation(FleetAPI.runtimeAnnotation, to: input.runtime.object.name)
        var canaryService: KubeObject?
        if let canary {
            select(canary, hash: hash, of: input, in: &context)
            let name = RolloutRouting.canaryService(model.name)
            canaryService = try render("canaryservice", .services, as: name, of: model, context)
        }
        select(serving ?? wanted, hash: hash, of: input, in: &context)
        if serving == nil { context["selectorLabels"] = [FleetAPI.modelLabel: .string(input.model.object.name)] }
        let serviceContext = context
        var service = try render("service", .services, as: model.name, of: model, serviceContext)
        if input.model.object["spec", "scaling", "scaleToZero"] != nil, input.model.scaling.engine == .direct {
            service.setAnnotation(FleetAPI.holdsRequestsAnnotation, to: "true")
        }
        var autoscaler: KubeObject?
        if input.model.scaling.engine == .horizontalPodAutoscaler {
            let type = ResourceType.horizontalPodAutoscalers
            autoscaler = try render("horizontalpodautoscaler", type, as: model.name, of: model, serviceContext)
        }
        return RenderedBodies(
            deployment: deployment,
            service: service,
            canaryService: canaryService,
            autoscaler: autoscaler
        )
    }

    /// Renders one template, and sees to it that what comes out is what the operator looks for later: a template of one's own may say anything.
    private func render(
        _ template: String,
        _ type: ResourceType,
        as name: String,
        of model: KubeObject,
        _ context: JSONValue
    ) throws(TemplateError) -> KubeObject {
        let object = KubeObject(try templates.render(template, context: context))
        func flaw(_ message: String) -> TemplateError {
            TemplateError(message, inAllOf: "\(template).yaml")
        }
        let owned = [("name", name, object.name), ("namespace", model.namespace ?? "", object.namespace ?? "")]
        let kinds = [("apiVersion", type.apiVersion, object.apiVersion), ("kind", type.kind, object.kind)]
        for (member, wanted, found) in kinds + owned.map({ ("metadata.\($0)", $1, $2) }) where wanted != found {
            throw flaw("\(member) is \"\(found)\" and must be \"\(wanted)\", as in the built-in template")
        }
        guard object.label(FleetAPI.managedByLabel) == FleetAPI.manager else {
            throw flaw("metadata.labels must have ${labels}: by them the operator knows its objects")
        }
        guard model.uid == nil || object.controller?.uid == model.uid else {
            throw flaw(
                "metadata.ownerReferences must be ${ownerReferences}: otherwise nothing deletes the object with its model"
            )
        }
        return object
    }

    /// Puts the revision in that is spoken of.
    private func select(_ revision: Int, hash: String, of input: RevisionInput, in context: inout JSONValue) {
        let name = input.model.object.name
        context["revision"] = [
            "number": JSONValue(revision), "name": .string("\(name)-r\(revision)"), "hash": .string(hash),
        ]
        context["selectorLabels"] = [
            FleetAPI.modelLabel: .string(name), FleetAPI.revisionLabel: .string(String(revision)),
        ]
    }

    /// What all templates of a model are given, but for the revision.
    private func common(_ input: RevisionInput) -> JSONValue {
        let model = input.model
        let object = model.object
        let container = input.container
        var context: JSONValue = [
            "model": [
                "name": .string(object.name), "namespace": JSONValue(object.namespace) ?? .null,
                "uid": JSONValue(object.uid) ?? .null, "apiVersion": .string(object.apiVersion),
                "kind": .string(object.kind), "format": .string(model.model.formatName),
                "uri": .string(model.model.uri), "sha256": JSONValue(model.model.sha256) ?? .null,
                "version": JSONValue(model.model.version) ?? .null,
            ],
            "replicas": .null, "labels": labels(input), "resources": object["spec", "resources"] ?? .null,
            "minReadySeconds": .null,
            "terminationGracePeriodSeconds": JSONValue(input.runtime.drain.gracePeriodSeconds), "hpa": .null,
            "ownerReferences": .array([OwnerReference(controller: object)?.json].compactMap(\.self)),
        ]
        var runtime: JSONValue = [
            "name": .string(input.runtime.object.name), "lifecycle": input.runtime.drain.lifecycle ?? .null,
        ]
        for field in [
            "image", "args", "command", "env", "ports", "readinessProbe", "livenessProbe", "startupProbe",
        ] { runtime[field] = container[field] ?? .null }
        context["runtime"] = runtime
        context["template"] = [
            "metadata": object["spec", "template", "metadata"] ?? .null,
            "spec": object["spec", "template", "spec"] ?? .null,
        ]
        if model.scaling.engine == .horizontalPodAutoscaler { context["hpa"] = autoscaling(model) }
        return context
    }

    private func labels(_ input: RevisionInput) -> JSONValue {
        [
            "app.kubernetes.io/name": .string(input.runtime.object.name),
            "app.kubernetes.io/instance": .string(input.model.object.name),
            "app.kubernetes.io/version": .string(input.model.versionName),
            "app.kubernetes.io/component": "model-server",
            "app.kubernetes.io/part-of": "modelfleet", FleetAPI.managedByLabel: .string(FleetAPI.manager),
        ]
    }

    /// The HPA's part: each target is an external metric of the operator's metrics API.
    private func autoscaling(_ model: ModelDeployment) -> JSONValue {
        let metrics = model.scaling.targets.map { target -> JSONValue in
            [
                "type": "External",
                "external": [
                    "metric": [
                        "name": .string(
                            Signal(rawValue: target.signal).map { ServedMetric($0).rawValue } ?? target.signal
                        ),
                        "selector": ["matchLabels": [FleetAPI.modelLabel: .string(model.object.name)]],
                    ],
                    "target": [
                        "type": "AverageValue", "averageValue": .string("\(Int((target.value * 1000).rounded()))m"),
                    ],
                ],
            ]
        }
        let behavior = model.scaling.behavior
        return [
            "minReplicas": JSONValue(model.scaling.minReplicas), "maxReplicas": JSONValue(model.scaling.maxReplicas),
            "metrics": .array(metrics), "behavior": behavior.object?.isEmpty ?? true ? .null : behavior,
        ]
    }
}
