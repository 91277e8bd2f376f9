// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension APIResource {
    /// Whether objects are stored in a form with other members, rather than under another version only.
    var storesOtherForm: Bool { type.group == "events.k8s.io" || isOldAutoscaler }

    /// Whether it is a horizontal pod autoscaler of `autoscaling/v1`.
    private var isOldAutoscaler: Bool { type.group == "autoscaling" && type.version == "v1" }

    /// The object in this resource's version, made from its stored form.
    func fromStorage(_ stored: KubeObject) -> KubeObject {
        guard stored.apiVersion != type.apiVersion else { return stored }
        var object = stored
        if isOldAutoscaler {
            object = AutoscalerVersions.first(stored)
        } else if storesOtherForm {
            object = EventVersions.newForm(stored)
        }
        object.json["apiVersion"] = .string(type.apiVersion)
        return object
    }

    /// The stored form of an object in this resource's version.
    func toStorage(_ object: KubeObject) -> KubeObject {
        guard storesOtherForm else { return object }
        if isOldAutoscaler {
            var stored = AutoscalerVersions.stored(object)
            stored.json["apiVersion"] = "autoscaling/v2"
            return stored
        }
        var stored = EventVersions.coreForm(object)
        stored.json["apiVersion"] = "v1"
        return stored
    }
}

/// The two forms of an event: `v1` and `events.k8s.io/v1`.
enum EventVersions {
    /// Field names of `events.k8s.io/v1` with those of `v1`.
    private static let names = [
        ("regarding", "involvedObject"), ("note", "message"), ("deprecatedSource", "source"),
        ("deprecatedFirstTimestamp", "firstTimestamp"), ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"), ("reportingController", "reportingComponent"),
    ]

    /// A core event as `events.k8s.io/v1`.
    static func newForm(_ core: KubeObject) -> KubeObject { renamed(core, names.map { ($0.1, $0.0) }) }

    /// An `events.k8s.io/v1` event as a core event.
    static func coreForm(_ event: KubeObject) -> KubeObject { renamed(event, names) }

    private static func renamed(_ object: KubeObject, _ pairs: [(String, String)]) -> KubeObject {
        var result = object
        for (from, to) in pairs {
            guard let value = result.json[from] else { continue }
            result.json[from] = nil
            result.json[to] = value
        }
        return result
    }
}
