// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeModel

/// Who asks: the holder of the local token, or the one whom it acts as (`kubectl --as bob --as-group builders`).
///
/// There are no roles here. Members of `system:masters` may do everything; others may do what the real server lets every
/// user do: look at what there is to ask for, and ask who they are and what they may.
struct Caller: Sendable, Hashable {
    /// The user's name.
    let name: String
    /// The groups.
    let groups: [String]

    /// The holder of the local token.
    static let holder = Caller(name: "modelfleet-local", groups: ["system:masters", "system:authenticated"])

    private static let userField = HTTPField.Name("Impersonate-User")
    private static let groupField = HTTPField.Name("Impersonate-Group")

    /// Reads from a request's fields whom it acts as.
    static func reading(_ fields: HTTPFields) -> Caller {
        guard let name = userField.flatMap({ fields[$0] }), !name.isEmpty else { return holder }
        var groups = groupField.map { fields[values: $0] } ?? []
        if name != "system:anonymous", !groups.contains("system:authenticated") {
            groups.append("system:authenticated")
        }
        return Caller(name: name, groups: groups)
    }

    /// Whether it may do everything.
    var isAdministrator: Bool { groups.contains("system:masters") }

    /// As a review shows it.
    var json: JSONValue { ["username": .string(name), "groups": .array(groups.map { .string($0) })] }

    /// Lets a request pass that the caller may make.
    /// - Throws: 403, in the real server's words.
    func authorize(_ request: ServerRequest) throws(APIStatus) {
        guard !isAdministrator, !Self.isOpen(request) else { return }
        guard let target = RequestTarget(parts: request.parts) else {
            let path = "/" + request.parts.joined(separator: "/")
            let verb = request.method.rawValue.lowercased()
            throw APIStatus(
                code: 403,
                reason: "Forbidden",
                message: "forbidden: User \"\(name)\" cannot \(verb) path \"\(path)\""
            )
        }
        let kind = StoredKind(group: target.group, plural: target.plural)
        let resource = target.subresource.map { "\(target.plural)/\($0)" } ?? target.plural
        let isNamespace = kind == .namespaces
        let place = (isNamespace ? target.name : target.namespace).map { "in the namespace \"\($0)\"" }
        throw .forbidden(
            kind,
            target.name ?? "",
            "User \"\(name)\" cannot \(Self.verb(request, target)) resource \"\(resource)\" "
                + "in API group \"\(target.group)\" \(place ?? "at the cluster scope")"
        )
    }

    /// What the real server's roles `system:discovery` and `system:basic-user` allow.
    private static func isOpen(_ request: ServerRequest) -> Bool {
        let parts = request.parts
        switch parts.first {
        case "api": return parts.count < 3
        case "apis" where parts.count == 4 && parts[3].hasPrefix("selfsubject"): return request.method == .post
        case "apis": return parts.count < 4
        case "healthz", "livez", "readyz", "openapi", "version": return true
        default: return false
        }
    }

    /// The verb, as roles name it.
    private static func verb(_ request: ServerRequest, _ target: RequestTarget) -> String {
        switch RequestCounts.verb(request, target) {
        case "POST": "create"
        case "PUT": "update"
        case "APPLY": "patch"
        case let verb: verb.lowercased()
        }
    }
}
