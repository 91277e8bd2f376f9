// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Who sends a request, as the API server tells it or a certificate says it.
public struct UserInfo: Sendable, Hashable {
    /// The name: `system:serviceaccount:kube-system:horizontal-pod-autoscaler`.
    public var name: String
    /// The uid; empty where none is known.
    public var uid: String
    /// The groups.
    public var groups: [String]
    /// Further facts, by their keys in lower case.
    public var extra: [String: [String]]

    /// Somebody.
    public init(name: String, uid: String = "", groups: [String] = [], extra: [String: [String]] = [:]) {
        self.name = name
        self.uid = uid
        self.groups = groups
        self.extra = extra
    }

    /// Who shows nothing.
    public static let anonymous = UserInfo(name: "system:anonymous", groups: ["system:unauthenticated"])

    /// The group of cluster administrators, who may do everything.
    static let masters = "system:masters"

    /// The same with the group of all who are known.
    var authenticated: UserInfo {
        let known = "system:authenticated"
        guard name != Self.anonymous.name, !groups.contains(known) else { return self }
        var user = self
        user.groups.append(known)
        return user
    }

    /// The members that a SubjectAccessReview's `spec` has for a user.
    var reviewMembers: JSONValue {
        var json: JSONValue = ["user": .string(name)]
        if !uid.isEmpty { json["uid"] = .string(uid) }
        if !groups.isEmpty { json["groups"] = .array(groups.map(JSONValue.string)) }
        if !extra.isEmpty {
            var members = JSONObject()
            for (key, values) in extra.sorted(by: { $0.key < $1.key }) {
                members[key] = .array(values.map(JSONValue.string))
            }
            json["extra"] = .object(members)
        }
        return json
    }

    /// The user of a TokenReview's `status`; `nil` where it names none.
    init?(review status: JSONValue) {
        guard let user = status["user"], let name = user["username"]?.string, !name.isEmpty else { return nil }
        var extra: [String: [String]] = [:]
        for (key, values) in user["extra"]?.object ?? JSONObject() {
            extra[key.lowercased()] = (values.array ?? []).compactMap(\.string)
        }
        self.init(
            name: name,
            uid: user["uid"]?.string ?? "",
            groups: (user["groups"]?.array ?? []).compactMap(\.string),
            extra: extra
        )
    }
}
