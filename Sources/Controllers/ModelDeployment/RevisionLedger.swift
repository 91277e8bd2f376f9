// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Synchronization

/// What the operator did to a model's revisions that the stores may not show yet.
struct RevisionMemory: Sendable, Hashable {
    /// The revision with the highest number that was written; its hash tells whether it is the wanted one.
    struct Written: Sendable, Hashable {
        /// The number.
        var number: Int
        /// The hash.
        var hash: String
        /// Whether a fresh read found it gone since.
        var isGone = false
    }

    /// Objects of which a model has one.
    struct Single: OptionSet, Sendable, Hashable {
        let rawValue: UInt8

        /// The Service.
        static let service = Single(rawValue: 1)
        /// The HPA.
        static let autoscaler = Single(rawValue: 2)
    }

    /// The revision with the highest number that this process wrote.
    var written: Written?
    /// What else this process made.
    var made: Single = []
    /// Since when revisions are out of use, by number.
    var retiredSince: [Int: WallTime] = [:]
}

/// The memories of all models. A restart loses them, and needs none: a fresh process lists everything first.
final class RevisionLedger: Sendable {
    private struct Entry {
        var uid: String
        var memory: RevisionMemory
    }

    private let entries = Mutex<[ObjectKey: Entry]>([:])

    /// An empty ledger.
    init() {}

    /// What is remembered of a model; nothing of another one that had the same name.
    func memory(_ key: ObjectKey, uid: String) -> RevisionMemory {
        entries.withLock { $0[key].flatMap { $0.uid == uid ? $0.memory : nil } ?? RevisionMemory() }
    }

    /// Notes that a revision is about to be written.
    func note(_ written: RevisionMemory.Written, _ key: ObjectKey, uid: String) {
        change(key, uid: uid) { memory in
            if written.number >= memory.written?.number ?? 0 { memory.written = written }
        }
    }

    /// Notes that an object of which there is one is about to be made.
    func noteMade(_ single: RevisionMemory.Single, _ key: ObjectKey, uid: String) {
        change(key, uid: uid) { $0.made.formUnion(single) }
    }

    /// Notes that a fresh read doesn't find a revision; its number stays used.
    func noteGone(_ number: Int, _ key: ObjectKey, uid: String) {
        change(key, uid: uid) { memory in
            if memory.written?.number == number { memory.written?.isGone = true }
        }
    }

    /// Notes which revisions are out of use now; the others are in use again or gone.
    func noteRetired(_ numbers: Set<Int>, _ key: ObjectKey, uid: String, now: WallTime) {
        change(key, uid: uid) { memory in
            let known = memory.retiredSince
            memory.retiredSince = [:]
            for number in numbers { memory.retiredSince[number] = known[number] ?? now }
        }
    }

    /// Forgets a model.
    func forget(_ key: ObjectKey) { entries.withLock { $0[key] = nil } }

    private func change(_ key: ObjectKey, uid: String, _ body: (inout RevisionMemory) -> Void) {
        entries.withLock { entries in
            var entry = entries[key].flatMap { $0.uid == uid ? $0 : nil } ?? Entry(uid: uid, memory: RevisionMemory())
            body(&entry.memory)
            entries[key] = entry
        }
    }
}
