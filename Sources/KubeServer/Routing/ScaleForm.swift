// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The `autoscaling/v1` Scale of an object.
enum ScaleForm {
    /// The resource that a scale subresource speaks.
    static let type = ResourceType(
        group: "autoscaling",
        version: "v1",
        kind: "Scale",
        plural: "scales",
        isNamespaced: true
    )

    /// The scale of an object, as who asks for it gets it: of a custom resource without a count there is none to read, although one can be
    /// written.
    static func read(_ object: KubeObject, _ resource: APIResource, _ rules: APIResource.Scale) throws(APIStatus)
        -> KubeObject
    {
        let count = object.json.value(at: rules.specPath)
        guard resource.isCustom, count == nil || count == .null else { return scale(object, rules) }
        let problem = "the spec replicas field \".\(rules.specPath.joined(separator: "."))\" does not exist"
        throw APIStatus(
            code: 500,
            reason: "InternalError",
            message: "Internal error occurred: \(problem)",
            causes: [APIStatus.Cause(reason: "", message: problem, field: "")]
        )
    }

    /// The scale of an object.
    static func scale(_ object: KubeObject, _ rules: APIResource.Scale) -> KubeObject {
        var metadata = JSONObject()
        for member in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            metadata[member] = object.json.at("metadata", member)
        }
        var status: JSONValue = [
            "replicas": .integer(object.json.value(at: rules.statusPath)?.integer ?? 0)
        ]
        let selector = rules.selectorPath.flatMap { object.json.value(at: $0) }
        if let text = selector?.string ?? selector.flatMap({ try? LabelSelector($0).queryText }), !text.isEmpty {
            status["selector"] = .string(text)
        }
        var spec = JSONObject()
        if let replicas = object.json.value(at: rules.specPath)?.integer { spec["replicas"] = .integer(replicas) }
        return KubeObject([
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": .object(metadata), "spec": .object(spec),
            "status": status,
        ])
    }

    /// The object with the replicas of a changed scale.
    static func applied(
        _ scale: KubeObject,
        to object: KubeObject,
        _ resource: APIResource,
        _ rules: APIResource.Scale
    ) throws(APIStatus) -> KubeObject {
        let replicas = scale["spec", "replicas"] ?? 0
        guard let count = replicas.integer, Int32(exactly: count) != nil else {
            throw .badRequest("Scale in version \"v1\" cannot be handled as a Scale: spec.replicas must be an integer")
        }
        guard count >= 0 else {
            if resource.isCustom {
                throw .invalid(
                    group: resource.type.group,
                    kind: resource.type.kind,
                    name: object.name,
                    causes: [
                        .invalid(
                            "." + rules.specPath.joined(separator: "."),
                            replicas,
                            "should be a non-negative integer"
                        )
                    ]
                )
            }
            throw .invalid(
                group: "autoscaling",
                kind: "Scale",
                name: object.name,
                causes: [.invalid("spec.replicas", replicas, "must be greater than or equal to 0")]
            )
        }
        var result = object
        result.json.set(.integer(count), path: rules.specPath[...])
        if let version = scale.resourceVersion, !version.isEmpty { result.resourceVersion = version }
        if !scale.name.isEmpty { result.name = scale.name }
        return result
    }
}
