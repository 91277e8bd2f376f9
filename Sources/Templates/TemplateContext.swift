// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// What a template can refer to: one JSON object, and which of its parts are free in form.
///
/// How a path is looked up:
///
/// | at some step of the path | the path is |
/// |---|---|
/// | the member is there | followed |
/// | the value is `null` | known, but nothing; so is everything below it |
/// | the member is missing, at or below a free-form path | nothing |
/// | the member is missing elsewhere | unknown: an error with the members that there are |
/// | the value is no object | an error |
///
/// The members for the built-in templates (`null` where "or null" is said):
///
/// | member | content |
/// |---|---|
/// | `model` | `name`, `namespace`, `uid`, `apiVersion`, `kind`, `format`, `uri`, `sha256` or null, `version` or null |
/// | `revision` | `number`, `name` (`NAME-rN`), `hash` |
/// | `replicas` | a number or null; null once something scales the Deployment |
/// | `runtime` | `name`, `image`, `args` (list), `command` or null, `env` (list) or null, `ports` (list), `readinessProbe`, `livenessProbe` or null, `startupProbe` or null, `lifecycle` or null |
/// | `resources` | the container's resources, or null |
/// | `labels` | labels for every object, which nothing selects on |
/// | `selectorLabels` | `modelfleet.dev/model`, `modelfleet.dev/revision`: of the Deployment's pods; for the Service of the pods that get the traffic |
/// | `template` | `metadata` (`labels`, `annotations`) or null, `spec` or null: merged into the pod |
/// | `minReadySeconds`, `terminationGracePeriodSeconds` | numbers, or null for Kubernetes' own defaults |
/// | `hpa` | `minReplicas`, `maxReplicas`, `metrics` (list), `behavior` or null; null without an HPA |
/// | `ownerReferences` | list |
public struct TemplateContext: Sendable, Hashable {
    /// The object that paths begin in.
    public var value: JSONValue
    /// Paths (`template.metadata`) at and below which a missing member is nothing instead of an error, because users or
    /// runtimes decide what is in there.
    public var freeForm: Set<String>

    /// The free-form parts of the built-in context.
    public static let builtInFreeForm: Set<String> = [
        "template", "resources", "labels", "selectorLabels", "hpa.behavior", "runtime.readinessProbe",
        "runtime.livenessProbe", "runtime.startupProbe", "runtime.lifecycle",
    ]

    /// A context; `value` should be an object.
    public init(_ value: JSONValue, freeForm: Set<String> = builtInFreeForm) {
        self.value = value
        self.freeForm = freeForm
    }
}
