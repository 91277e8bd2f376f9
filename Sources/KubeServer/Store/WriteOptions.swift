// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What the query of a write says.
struct WriteOptions: Sendable {
    /// What happens to unknown and doubled fields.
    enum Validation: String, Sendable {
        /// They are dropped.
        case ignore = "Ignore"
        /// They are dropped with a warning.
        case warn = "Warn"
        /// The write is refused.
        case strict = "Strict"
    }

    /// Who writes.
    var manager: String
    /// Whether nothing is stored.
    var dryRun = false
    /// Whether an apply takes over fields of others.
    var force = false
    /// What happens to unknown fields.
    var validation = Validation.warn
}

/// What a write led to.
struct WriteOutcome: Sendable {
    /// The object in the version of the request.
    var object: KubeObject
    /// The object as it is stored now; `nil` when nothing was stored.
    var stored: StoredObject?
    /// Sentences for the user.
    var warnings: [String] = []
    /// Whether the object is new.
    var isNew = false
}
