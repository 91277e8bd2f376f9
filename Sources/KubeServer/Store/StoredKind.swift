// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Under which name the objects of a resource are kept; versions, and groups that share objects, have one in common.
struct StoredKind: Sendable, Hashable {
    /// The group that owns the stored form.
    var group: String
    /// The plural.
    var plural: String

    /// As messages name it: `deployments.apps`.
    var qualifiedName: String { group.isEmpty ? plural : "\(plural).\(group)" }
}
