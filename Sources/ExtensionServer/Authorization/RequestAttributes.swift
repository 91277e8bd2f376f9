// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel

/// What a request wants, in the words of RBAC (`RequestInfo` of `k8s.io/apiserver`).
struct RequestAttributes: Sendable, Hashable {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`
    var verb: String
    /// The path; what counts where `resource` is `nil`.
    var path: String
    /// The resource; `nil` for paths that aren't one's.
    var resource: String?
    /// The group.
    var group = ""
    /// The version.
    var version = ""
    /// The namespace; empty for none.
    var namespace = ""
    /// The name; empty for none.
    var name = ""
    /// The subresource; empty for none.
    var subresource = ""

    /// Reads a request.
    init(_ request: HTTPRequestMessage) {
        path = String(request.path)
        let method = request.head.method
        verb = method.rawValue.lowercased()
        let raw = request.path.split(separator: "/", omittingEmptySubsequences: true)
        var parts = raw.map { PercentText.decoded($0) ?? String($0) }[...]
        guard parts.first == "apis", parts.count > 3 else { return }
        (group, version) = (parts[1], parts[2])
        parts = parts.dropFirst(3)
        if parts.first == "namespaces", parts.count > 1 {
            namespace = parts[parts.startIndex + 1]
            if parts.count > 2 { parts = parts.dropFirst(2) }
        }
        resource = parts.popFirst()
        name = parts.popFirst() ?? ""
        subresource = parts.first ?? ""
        verb = Self.verb(method, hasName: !name.isEmpty, query: request.query)
    }

    private static func verb(_ method: HTTPRequest.Method, hasName: Bool, query: Substring) -> String {
        switch method {
        case .get, .head:
            if hasName { return "get" }
            let isWatch = query.split(separator: "&").contains { $0 == "watch=true" || $0 == "watch=1" }
            return isWatch ? "watch" : "list"
        case .post: return "create"
        case .put: return "update"
        case .patch: return "patch"
        case .delete: return hasName ? "delete" : "deletecollection"
        default: return method.rawValue.lowercased()
        }
    }

    /// The members that a SubjectAccessReview's `spec` has for it.
    var reviewMember: (name: String, json: JSONValue) {
        guard let resource else {
            return ("nonResourceAttributes", ["path": .string(path), "verb": .string(verb)])
        }
        var json: JSONValue = [
            "verb": .string(verb), "group": .string(group), "version": .string(version), "resource": .string(resource),
        ]
        for (member, value) in [("namespace", namespace), ("name", name), ("subresource", subresource)]
        where !value.isEmpty { json[member] = .string(value) }
        return ("resourceAttributes", json)
    }

    /// The refusal, in the API server's words.
    func forbidden(_ user: UserInfo, _ reason: String) -> APIStatus {
        let why = reason.isEmpty ? "" : ": \(reason)"
        guard let resource else {
            return APIStatus(
                code: 403,
                reason: "Forbidden",
                message: "forbidden: User \"\(user.name)\" cannot \(verb) path \"\(path)\"\(why)"
            )
        }
        let full = subresource.isEmpty ? resource : "\(resource)/\(subresource)"
        let place = namespace.isEmpty ? "at the cluster scope" : "in the namespace \"\(namespace)\""
        return APIStatus(
            code: 403,
            reason: "Forbidden",
            message: "\(resource).\(group) \"\(name)\" is forbidden: User \"\(user.name)\" cannot \(verb) resource "
                + "\"\(full)\" in API group \"\(group)\" \(place)\(why)",
            name: name.isEmpty ? nil : name,
            group: group,
            kind: resource
        )
    }
}
