// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel

/// The body that is sent for a rendered object: pinned where it is a revision, and marked with its own fingerprint.
///
/// The fingerprint tells what coverage of the live object can't: a field that was applied once and is rendered no longer.
enum AppliedBody {
    /// The body to apply; `live` is what exists.
    static func make(_ type: ResourceType, _ rendered: KubeObject, live: KubeObject?) -> KubeObject {
        var body = type == .deployments ? RevisionPin.pinned(rendered, to: live) : rendered
        body.setAnnotation(FleetAPI.appliedHashAnnotation, to: nil)
        body.setAnnotation(FleetAPI.appliedHashAnnotation, to: Fingerprint.of(body.json))
        return body
    }
}
