// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPTypes
import KubeModel

/// Answers who the client is and what it may do: whoever holds the local token may do everything.
enum AccessReview {
    /// Whom the local token stands for.
    static let user: JSONValue = [
        "username": "modelfleet-local", "groups": ["system:masters", "system:authenticated"],
    ]

    /// The review that was sent, with its answer.
    static func answer(
        _ request: ServerRequest,
        _ resource: APIResource,
        _ state: StateBox,
        now: WallTime
    ) throws(APIStatus) -> ServerAnswer {
        let options = try request.writeOptions("CreateOptions")
        let decoded = try BodyDecoder.object(request, resource, validation: options.validation)
        var json = decoded.object.json
        json.set(nil, at: "metadata", "creationTimestamp")
        if json["metadata"]?.object == nil { json["metadata"] = .emptyObject }
        switch resource.type.kind {
        case "SelfSubjectAccessReview":
            try check(json)
            let managed = state.with { $0.fields(resource, nil) }
                .update(live: nil, new: json, manager: options.manager, now: now)
            json.set(managed.at("metadata", "managedFields"), at: "metadata", "managedFields")
            json["status"] = ["allowed": true]
        case "SelfSubjectReview":
            json.set(.string(now.rfc3339), at: "metadata", "creationTimestamp")
            json["status"] = ["userInfo": user]
        default:
            guard json.at("spec", "namespace")?.string?.isEmpty == false else {
                throw .badRequest("no namespace on request")
            }
            json["spec"] = .emptyObject
            let everything: JSONValue = ["*"]
            json["status"] = [
                "resourceRules": [["verbs": everything, "apiGroups": everything, "resources": everything]],
                "nonResourceRules": [["verbs": everything, "nonResourceURLs": everything]], "incomplete": false,
            ]
        }
        return ServerAnswer(json, status: .created, warnings: decoded.warnings)
    }

    private static func check(_ review: JSONValue) throws(APIStatus) {
        let resource = review.at("spec", "resourceAttributes")
        let other = review.at("spec", "nonResourceAttributes")
        guard (resource?.object == nil) == (other?.object == nil) else { return }
        throw .invalid(
            group: "authorization.k8s.io",
            kind: "",
            name: "",
            causes: [
                .invalid(
                    "spec.resourceAttributes",
                    resource ?? .null,
                    resource == nil
                        ? "exactly one of nonResourceAttributes or resourceAttributes must be specified"
                        : "cannot be specified in combination with nonResourceAttributes"
                )
            ]
        )
    }
}
