// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The pods of one revision of a model: what is scraped, judged and summed up together.
struct ScrapeGroup: Sendable, Hashable, Comparable {
    /// The model.
    var model: ObjectKey
    /// The revision.
    var revision: Int

    /// The group's name on the board.
    var name: String { "\(model.namespace ?? "")/\(model.name)/\(revision)" }

    /// A group.
    init(_ model: ObjectKey, revision: Int) {
        self.model = model
        self.revision = revision
    }

    /// The group of this name; `nil` where it is none.
    init?(named name: String) {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, let revision = Int(parts[2]) else { return nil }
        self.init(
            ObjectKey(namespace: parts[0].isEmpty ? nil : String(parts[0]), name: String(parts[1])),
            revision: revision
        )
    }

    /// By revision.
    static func < (left: ScrapeGroup, right: ScrapeGroup) -> Bool { left.revision < right.revision }
}
