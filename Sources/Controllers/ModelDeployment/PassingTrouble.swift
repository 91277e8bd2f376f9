// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Synchronization

/// Since when models meet a trouble that may pass by itself: the refusals of an API server that has just started and has read no roles
/// yet, or an object that is being deleted.
///
/// | the trouble | is |
/// | --- | --- |
/// | there for less than `patience` | met with another try, and nobody is told |
/// | there for longer | told |
/// | gone | forgotten: the next one has its time again |
final class PassingTrouble: Sendable {
    /// How long it may take to pass: an API server has read the roles within a second or two of its start, and a person who waits for a
    /// reason shouldn't wait for longer.
    static let patience = Duration.seconds(3)

    private struct Entry {
        var since: WallTime
        var isTold = false
    }

    private let entries = Mutex<[ObjectKey: Entry]>([:])

    /// No trouble yet.
    init() {}

    /// Notes that a model meets it now; answers whether it has lasted.
    func lasts(_ key: ObjectKey, now: WallTime) -> Bool { note(key, now: now).isLasting }

    /// The same, answering whether it is told now: once, when it has lasted.
    func isNews(_ key: ObjectKey, now: WallTime) -> Bool { note(key, now: now).isNews }

    /// It is gone, or the model is.
    func forget(_ key: ObjectKey) { entries.withLock { $0[key] = nil } }

    private func note(_ key: ObjectKey, now: WallTime) -> (isLasting: Bool, isNews: Bool) {
        entries.withLock { entries in
            var entry = entries[key] ?? Entry(since: now)
            // A clock that was set back starts the time anew.
            entry.since = min(entry.since, now)
            let isLasting = now - entry.since >= Self.patience
            let isNews = isLasting && !entry.isTold
            entry.isTold = entry.isTold || isLasting
            entries[key] = entry
            return (isLasting, isNews)
        }
    }
}
