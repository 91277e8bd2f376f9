// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeModel

/// Answers whether the client may do something: whoever holds the local token may do everything.
enum AccessReview {
    /// The review that was sent, with its answer.
    static func answer(_ request: ServerRequest, _ resource: APIResource) throws(APIStatus) -> ServerAnswer {
        let decoded = try BodyDecoder.object(request, resource, validation: .ignore)
        var json = decoded.object.json
        if json["metadata"] == nil { json["metadata"] = [:] }
        switch resource.type.kind {
        case "SelfSubjectAccessReview":
            json["status"] = ["allowed": true, "reason": "the token of the local cluster may do everything"]
        default:
            let everything: JSONValue = ["*"]
            json["status"] = [
                "resourceRules": [["verbs": everything, "apiGroups": everything, "resources": everything]],
                "nonResourceRules": [["verbs": everything, "nonResourceURLs": everything]], "incomplete": false,
            ]
        }
        return ServerAnswer(json, status: .created)
    }
}
