// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Where this server knowingly answers otherwise than the recorded one.
struct AcceptedDifferences: Sendable {
    /// The scenario; `*` for any.
    let scenario: String
    /// The start of the difference, `step path`, or a part of it after a leading `…`.
    let path: String
    /// Why.
    let reason: String

    init(_ scenario: String, _ path: String, _ reason: String) {
        self.scenario = scenario
        self.path = path
        self.reason = reason
    }

    /// Whether this entry explains a difference.
    func covers(_ difference: String) -> Bool {
        path.hasPrefix("…") ? difference.contains(path.dropFirst()) : difference.hasPrefix(path)
    }

    static let all: [AcceptedDifferences] = kinds + watches + wordings

    /// Those of the recorded commands.
    static let commands: [AcceptedDifferences] =
        [
            .init("*", "….description: expected", "the columns of tables are described in our own words"),
            .init(
                "*",
                "….storageVersionHash: expected",
                "it says nothing here: there is one stored version, in memory"
            ),
            .init("*", "….compiler: expected", "the build of this server is another one"),
            .init("*", "….gitCommit: expected", "the build of this server is another one"),
            .init("*", "….goVersion: expected", "the build of this server is another one"),
            .init("*", "….platform: expected", "the build of this server is another one"),
            .init(
                "*",
                "….contentType: expected \"application/vnd.kubernetes.protobuf\", got \"application/json\"",
                "clients that ask for Protobuf take JSON too, and get it: it is what this server writes"
            ),
        ]
        + [4, 6, 9, 11, 12].map { index in
            // Discovery doesn't list these kinds here, so that `kubectl get all` doesn't ask for them.
            .init("get-all", "\(index) .", "daemon sets, jobs and the like are no kinds of this server")
        }

    private static let kinds: [AcceptedDifferences] = [
        .init("*", "….description: expected", "the columns of tables are described in our own words"),
        .init("*", "….storageVersionHash: expected", "it says nothing here: there is one stored version, in memory"),
        .init("discovery", "5 .body.", "the build of this server is another one"),
    ]

    private static let watches: [AcceptedDifferences] = [
        .init(
            "watch",
            "7 .events",
            "the recorded server's etcd 3.4 could not say how far it was, and refused the watch"
        ),
        .init("watch", "8 .events", "the recorded server's etcd 3.4 can't stream a list; this server can"),
        .init("watch", "10 .events", "the recorded watch ended before the last two of five events were sent"),
        .init("watch", "14 .events", "as step 7"),
        .init("watch", "15 .events", "as step 7"),
    ]

    private static let wordings: [AcceptedDifferences] = [
        .init(
            "builtin-defaults",
            "13 .body.details.causes[0].message",
            "the refusal ends with no dump of Go structs"
        ),
        .init("builtin-defaults", "13 .body.message", "as above"),
        .init(
            "custom-resource-validation",
            "3 .body.details.causes",
            "the same causes: the real server has them in the order of a hash table"
        ),
        .init(
            "custom-resource-validation",
            "3 .body.message",
            "the same causes: the real server has them in the order of a hash table"
        ),
        .init(
            "custom-resource-validation",
            "5 .",
            "validation rules in CEL are not evaluated; admission plugins do that"
        ),
        .init(
            "crd-lifecycle",
            "0 .warning: expected nothing, got \"299 - \\\"version v1: x-kubernetes-validations at spec ",
            "a warning says that the rules are not evaluated"
        ),
    ]
}
