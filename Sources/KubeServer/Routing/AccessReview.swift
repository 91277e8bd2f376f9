// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPTypes
import KubeModel

/// Answers who the client is and what it may do: whoever holds the local token, and acts as nobody else, may do all.
enum AccessReview {
    /// Whom the local token stands for.
    private static let user = Caller.holder.json

    /// Why everybody else may do nothing.
    private static let refusal: JSONValue = [
        "allowed": false, "reason": "the local cluster has no roles: only system:masters may",
    ]

    /// The review that was sent, with its answer.
    static func answer(
        _ request: ServerRequest,
        _ resource: APIResource,
        _ state: StateBox,
        isToken: (String) -> Bool,
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
            json["status"] = request.caller.isAdministrator ? ["allowed": true] : refusal
        case "TokenReview": json["status"] = try reviewed(json, isToken)
        case "SubjectAccessReview":
            try check(json)
            json["status"] = try judged(json)
        case "SelfSubjectReview":
            json.set(.string(now.rfc3339), at: "metadata", "creationTimestamp")
            json["status"] = ["userInfo": request.caller.json]
        default:
            guard json.at("spec", "namespace")?.string?.isEmpty == false else {
                throw .badRequest("no namespace on request")
            }
            json["spec"] = .emptyObject
            guard request.caller.isAdministrator else {
                json["status"] = ["resourceRules": [], "nonResourceRules": [], "incomplete": false]
                break
            }
            let everything: JSONValue = ["*"]
            json["status"] = [
                "resourceRules": [["verbs": everything, "apiGroups": everything, "resources": everything]],
                "nonResourceRules": [["verbs": everything, "nonResourceURLs": everything]], "incomplete": false,
            ]
        }
        return ServerAnswer(json, status: .created, warnings: decoded.warnings)
    }

    /// Whose a token is; there is one, or, where everyone is let in, any.
    private static func reviewed(_ review: JSONValue, _ isToken: (String) -> Bool) throws(APIStatus) -> JSONValue {
        let token = review.at("spec", "token")?.string ?? ""
        guard !token.isEmpty else { throw .badRequest("token is required for TokenReview in authentication") }
        return isToken(token)
            ? ["authenticated": true, "user": user, "audiences": ["https://kubernetes.default.svc.cluster.local"]]
            : ["user": [:], "error": "[invalid bearer token]"]
    }

    /// Administrators may do everything, others nothing: there are no roles here.
    private static func judged(_ review: JSONValue) throws(APIStatus) -> JSONValue {
        let spec = review["spec"]
        let groups = spec?["groups"]?.array ?? []
        if (spec?["user"]?.string ?? "").isEmpty, groups.isEmpty {
            throw .invalid(
                group: "authorization.k8s.io",
                kind: "",
                name: "",
                causes: [.invalid("spec.user", "", "at least one of user or group must be specified")]
            )
        }
        return groups.contains("system:masters") ? ["allowed": true] : refusal
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
