// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What the path of a resource request names.
struct RequestTarget: Sendable, Hashable {
    /// The group; empty for the core group.
    var group: String
    /// The version.
    var version: String
    /// The namespace; `nil` for cluster-scoped objects and for all namespaces.
    var namespace: String?
    /// The plural.
    var plural: String
    /// The name; `nil` for the collection.
    var name: String?
    /// `status`, `scale`, `log` and the like.
    var subresource: String?
    /// Whether the path itself asks for a watch, as `/api/v1/watch/pods` does: the way before `?watch=true`, which the real
    /// server still goes.
    var isWatch = false

    /// Reads the decoded parts of a whole path; `nil` when it names no resource.
    init?(parts: [String]) {
        switch parts.first {
        case "api" where parts.count > 2: self.init(group: "", version: parts[1], rest: parts.dropFirst(2))
        case "apis" where parts.count > 3: self.init(group: parts[1], version: parts[2], rest: parts.dropFirst(3))
        default: return nil
        }
    }

    /// Reads the decoded parts of a path below `/api/v1` or `/apis/GROUP/VERSION`; `nil` when it has another shape.
    init?(group: String, version: String, rest: ArraySlice<String>) {
        self.group = group
        self.version = version
        var rest = rest
        if rest.first == "watch" {
            isWatch = true
            rest.removeFirst()
        }
        if rest.first == "namespaces", rest.count > 1 {
            let third = rest.count > 2 ? rest[rest.startIndex + 2] : nil
            if rest.count > 2, third != "status" && third != "finalize" || group != "" {
                namespace = rest[rest.startIndex + 1]
                rest = rest.dropFirst(2)
            }
        }
        guard let plural = rest.first, !rest.contains("") else { return nil }
        self.plural = plural
        rest = rest.dropFirst()
        name = rest.popFirst()
        subresource = rest.popFirst()
        if !rest.isEmpty { return nil }
    }
}
