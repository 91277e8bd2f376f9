// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What the garbage collector does about one owner, as a pure function.
enum CollectionPlan: Equatable {
    /// The finalizer of an owner that waits for its dependents to go first.
    static let foreground = "foregroundDeletion"
    /// The finalizer of an owner whose dependents are kept.
    static let orphan = "orphan"

    /// Nothing: the owner is alive.
    case keep
    /// The owner is gone: its dependents lose it.
    case collect
    /// The owner waits: its dependents go first.
    case deleteDependentsFirst
    /// The owner waits: its dependents are let go.
    case releaseDependents

    /// Decides for the owner as it is seen; `nil` when it isn't there.
    init(owner: KubeObject?) {
        guard let owner else {
            self = .collect
            return
        }
        guard owner.isBeingDeleted else {
            self = .keep
            return
        }
        if owner.finalizers.contains(Self.orphan) {
            self = .releaseDependents
        } else if owner.finalizers.contains(Self.foreground) {
            self = .deleteDependentsFirst
        } else {
            self = .keep
        }
    }
}
