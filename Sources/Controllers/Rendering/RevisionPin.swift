// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel

/// Keeps the pods of an existing revision as they were rendered, whatever the templates say today.
///
/// A revision's Deployment carries its pod template as it was rendered, in the annotation
/// `modelfleet.dev/rendered-template`. As long as the revision's hash (model, runtime container, resources and pod
/// template, all from the user's side) stays, what is applied holds that pod template and the live selector, never a
/// newer rendering: an operator with other templates restarts no model, and drift is corrected to what was rendered
/// first. The next revision is rendered with the new templates. Everything outside of the pod template (labels,
/// strategy, Service, HPA) follows the templates at once, since it moves no pod.
enum RevisionPin {
    /// The longest rendering that is kept, in bytes: the API server allows 256 KiB for all annotations together.
    ///
    /// A longer one is not pinned; such a revision follows the templates.
    static let longestRendering = 200 * 1024

    /// `body` with its own pod template noted, or the one that `live` was rendered with.
    static func pinned(_ body: KubeObject, to live: KubeObject?) -> KubeObject {
        var body = body
        let hash = FleetAPI.revisionHashAnnotation
        if let live, live.annotation(hash) == body.annotation(hash) {
            if let selector = live["spec", "selector"] { body["spec", "selector"] = selector }
            if let (text, template) = rendering(of: live) {
                body["spec", "template"] = template
                // The text as it stands there: the same template needs no other.
                body.setAnnotation(FleetAPI.renderedTemplateAnnotation, to: text)
                return body
            }
        }
        let text = body["spec", "template"]?.jsonText ?? ""
        if !text.isEmpty, text.utf8.count <= longestRendering {
            body.setAnnotation(FleetAPI.renderedTemplateAnnotation, to: text)
        }
        return body
    }

    /// The pod template that a Deployment was rendered with; `nil` where it isn't noted or can't be read.
    static func rendering(of live: KubeObject) -> (text: String, template: JSONValue)? {
        guard let text = live.annotation(FleetAPI.renderedTemplateAnnotation) else { return nil }
        guard text.utf8.count <= longestRendering, let json = try? JSONValue(parsing: Array(text.utf8)),
            json.object?.isEmpty == false
        else { return nil }
        return (text, json)
    }
}
