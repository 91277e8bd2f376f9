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

    static let all: [AcceptedDifferences] = kinds + watches + wordings + fields

    private static let kinds: [AcceptedDifferences] = [
        .init("*", "….description: expected", "the columns of tables are described in our own words"),
        .init("*", "….storageVersionHash: expected", "it says nothing here: there is one stored version, in memory"),
        .init("discovery", "2 .body.resources", "apps has Deployment and ReplicaSet here, not DaemonSet and the like"),
        .init("discovery", "5 .body.", "the build of this server is another one"),
        .init("discovery", "11 .body.items", "there are fewer groups and kinds here"),
        .init("discovery", "12 .body.items", "there are fewer core kinds here"),
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
            "create-errors",
            "5 .body.message",
            "a body of another kind is refused for its kind, before its data is looked at"
        ),
        .init(
            "builtin-defaults",
            "13 .body.details.causes[0].message",
            "the refusal ends with no dump of Go structs"
        ),
        .init("builtin-defaults", "13 .body.message", "as above"),
        .init("custom-resource-validation", "3 .body.details.causes", "the same causes in another order"),
        .init("custom-resource-validation", "3 .body.message", "the same causes in another order"),
        .init(
            "custom-resource-validation",
            "5 .",
            "validation rules in CEL are not evaluated; admission plugins do that"
        ),
    ]

    private static let fields: [AcceptedDifferences] = [
        .init("crd-lifecycle", "0 .body.status.conditions", "an absent list instead of null"),
        .init("crd-lifecycle", "3 .body.metadata.managedFields[0].fieldsV1.f:status.f:conditions..", "as step 0"),
        .init("crd-lifecycle", "4 .body.metadata.managedFields[0].fieldsV1.f:status.f:conditions..", "as step 0"),
    ]
}
