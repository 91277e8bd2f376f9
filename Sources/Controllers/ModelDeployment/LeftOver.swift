// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel

/// What tells the objects that a deleted model has left behind (`kubectl delete --cascade=orphan`) from those of others.
enum LeftOver {
    /// Whether an object carries the operator's marks for a model of this name, and nobody controls it.
    static func bearsMarks(_ object: KubeObject, of model: KubeObject) -> Bool {
        object.controller == nil && !object.isBeingDeleted && object.namespace == model.namespace
            && object.label(FleetAPI.managedByLabel) == FleetAPI.manager
            && object.label(FleetAPI.modelLabel) == model.name
    }

    /// Whether an object is the operator's own work beyond doubt: marks can be copied with a manifest, but who wrote the fields is the
    /// API server's own record.
    static func isOurs(_ type: ResourceType, _ object: KubeObject, of model: KubeObject) -> Bool {
        guard bearsMarks(object, of: model), names(type, of: model, object).contains(object.name) else { return false }
        return (object["metadata", "managedFields"]?.array ?? []).contains {
            $0["manager"]?.string == FleetAPI.manager && $0["operation"] == "Apply"
        }
    }

    /// The names that the operator gives to the objects of a model.
    private static func names(_ type: ResourceType, of model: KubeObject, _ object: KubeObject) -> [String] {
        switch type {
        case .deployments: ["\(model.name)-r\(ModelObservation.revision(of: object))"]
        case .services: [model.name, RolloutRouting.canaryService(model.name)]
        default: [model.name]
        }
    }
}
