// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Templates

/// The revision that serves while another one is wanted: what it was rendered as is kept up too.
///
/// Its input is gone from the spec, so it can't be rendered anew; its Deployment carries the pod template that it was
/// rendered with (`RevisionPin`). Until its successor takes the traffic, whoever changes what serves is corrected as ever.
enum StandingRevision {
    /// The labels that say what the revision serves: they are the revision's own, not those of the spec of today.
    private static let ownLabels = ["app.kubernetes.io/name", "app.kubernetes.io/version"]

    /// The body that `live` was applied as; `nil` where its rendering isn't noted, and nothing can be said.
    static func body(
        of live: KubeObject,
        _ input: RevisionInput,
        _ renderer: ModelRenderer
    ) throws(TemplateError) -> KubeObject? {
        let number = ModelObservation.revision(of: live)
        guard number > 0, let hash = live.annotation(FleetAPI.revisionHashAnnotation),
            let template = RevisionPin.rendering(of: live)?.template
        else { return nil }
        var body = try renderer.bodies(input, wanted: number, serving: number, hash: hash).deployment
        for label in ownLabels {
            guard let value = template.at("metadata", "labels", label) else { continue }
            body.json.set(value, at: "metadata", "labels", label)
        }
        let version = template.at("metadata", "labels", "app.kubernetes.io/version")?.string
        body.setAnnotation(FleetAPI.versionAnnotation, to: version ?? live.annotation(FleetAPI.versionAnnotation))
        body.setAnnotation(FleetAPI.runtimeAnnotation, to: live.annotation(FleetAPI.runtimeAnnotation))
        return body
    }
}
