// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeModel

/// Who asks: the holder of the local token, or the one whom it acts as (`kubectl --as bob --as-group builders`).
///
/// There are no roles here. Members of `system:masters` may do everything; others may do what the real server lets every
/// user do: look at what there is to ask for, and ask who they are and what they may. Only the holder of the token comes in,
/// a member of `system:masters`, so that whom it asks to act as is always granted.
struct Caller: Sendable, Hashable {
    /// The user's name.
    let name: String
    /// The groups.
    let groups: [String]
    /// The user's uid.
    var uid: String?
    /// Further facts about the user, by their names.
    var extra: [String: [String]] = [:]

    /// The holder of the local token.
    static let holder = Caller(name: "modelfleet-local", groups: ["system:masters", authenticated])

    private static let authenticated = "system:authenticated"
    private static let unauthenticated = "system:unauthenticated"
    private static let extraPrefix = "impersonate-extra-"

    /// Reads from a request's fields whom it acts as.
    static func reading(_ fields: HTTPFields) -> Caller {
        guard let name = fields.values(of: "Impersonate-User").first, !name.isEmpty else { return holder }
        let named = fields.values(of: "Impersonate-Group")
        var groups = named.isEmpty ? serviceAccountGroups(name) : named
        if name == "system:anonymous" {
            if !groups.contains(unauthenticated) { groups.append(unauthenticated) }
        } else if !groups.contains(authenticated), !groups.contains(unauthenticated) {
            groups.append(authenticated)
        }
        var caller = Caller(name: name, groups: groups)
        caller.uid = fields.values(of: "Impersonate-Uid").first
        for (key, value) in extras(fields) { caller.extra[key, default: []].append(value) }
        return caller
    }

    /// Refuses a request that names groups, a uid or further facts to act with, and no user to act as.
    /// - Throws: 400, in the real server's words.
    static func requireUser(_ fields: HTTPFields) throws(APIStatus) {
        guard fields.values(of: "Impersonate-User").allSatisfy(\.isEmpty) else { return }
        let version = "authentication.k8s.io/v1"
        // Object references as Go prints them: kind, namespace, name, uid, version, resource version, field path.
        let claims =
            fields.values(of: "Impersonate-Group").map { "{Group  \($0)    }" }
            + extras(fields).map { "{UserExtra  \($0.value)  \(version)  \($0.key)}" }
            + fields.values(of: "Impersonate-Uid").prefix(1).map { "{UID  \($0)  \(version)  }" }
        guard claims.isEmpty else {
            throw .badRequest("requested [\(claims.joined(separator: " "))] without impersonating a user")
        }
    }

    /// The facts that a request acts with, by their names.
    private static func extras(_ fields: HTTPFields) -> [(key: String, value: String)] {
        fields.compactMap { field in
            guard field.name.canonicalName.hasPrefix(extraPrefix) else { return nil }
            return (PercentCoding.decoded(field.name.canonicalName.dropFirst(extraPrefix.count)), field.value)
        }
    }

    /// The groups of `system:serviceaccount:NAMESPACE:NAME`; none for other users.
    private static func serviceAccountGroups(_ user: String) -> [String] {
        let parts = user.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 4, user.hasPrefix("system:serviceaccount:"), !parts[2].isEmpty, !parts[3].isEmpty else {
            return []
        }
        return ["system:serviceaccounts", "system:serviceaccounts:\(parts[2])"]
    }

    /// Whether it may do everything.
    var isAdministrator: Bool { groups.contains("system:masters") }

    /// As a review shows it.
    var json: JSONValue {
        var json: JSONValue = ["username": .string(name), "groups": .array(groups.map { .string($0) })]
        json["uid"] = JSONValue(uid)
        if !extra.isEmpty {
            json["extra"] = .object(JSONObject(pairs: extra.map { ($0, .array($1.map(JSONValue.string))) }))
        }
        return json
    }

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
        case "healthz", "livez", "readyz": return parts.count == 1
        case "openapi", "version": return true
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

extension HTTPFields {
    /// The values of all fields with this name.
    fileprivate func values(of name: String) -> [String] { HTTPField.Name(name).map { self[values: $0] } ?? [] }
}
