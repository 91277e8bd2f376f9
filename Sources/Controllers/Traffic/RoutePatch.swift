// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Merge patches that hold only for the state that they were decided from.
enum RoutePatch {
    /// A patch of metadata.
    static func metadata(_ live: KubeObject, _ fields: JSONValue) -> JSONValue {
        var metadata = fields
        metadata["resourceVersion"] = JSONValue(live.resourceVersion)
        return ["metadata": metadata]
    }

    /// A patch of members of the spec. Lists are replaced whole: those of routes are atomic, which is why the state is
    /// named.
    static func spec(_ live: KubeObject, _ fields: JSONValue) -> JSONValue {
        var patch = metadata(live, .emptyObject)
        patch["spec"] = fields
        return patch
    }
}

/// The values of headers in the languages of routes.
enum HeaderPattern {
    /// A regular expression (RE2) for a whole `Cookie` field that has the cookie `NAME=VALUE`.
    static func cookie(_ pair: String) -> String {
        let special = Set(#"\.+*?()|[]{}^$"#)
        let literal = pair.map { special.contains($0) ? "\\\($0)" : "\($0)" }.joined()
        return "^(.*;[ \\t]*)?\(literal)(;.*)?$"
    }

    /// Whether a match is about a cookie.
    static func isCookie(_ header: String) -> Bool { header.lowercased() == "cookie" }
}
