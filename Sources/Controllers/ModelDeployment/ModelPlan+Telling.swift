// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// When which event is told: once what it is about is written, and whatever fails after that.
extension ModelPlan {
    /// The event that is true once an action is done.
    func event(after action: PlannedAction, of model: KubeObject) -> PlannedEvent? {
        switch action {
        case .create(.deployments, _): creation
        case .create(.services, let body), .apply(.services, let body), .select(let body, _, _):
            body.name == model.name ? turning : nil
        case .create, .apply, .scale, .delete, .shrink, .turn, .route, .keep, .prune: nil
        }
    }

    /// The status that is written before anything is done: not yet of what is true only after it.
    func firstStatus(of model: KubeObject) -> JSONValue {
        var first = handsOver ? status.keepingScaling(of: model) : status
        if actions.contains(where: { if case .keep = $0 { true } else { false } }) {
            first["keptRevision"] = model["status", "keptRevision"]
        }
        return first
    }

    /// Takes the events that are true with the status that is written first.
    mutating func takeTold() -> [PlannedEvent] {
        let told = decided + (handsOver ? [] : events)
        decided = []
        if !handsOver { events = [] }
        return told
    }
}
