// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Synchronization

/// The pods that were created or deleted but whose change the watch hasn't shown yet; what keeps a stale cache from
/// making too many (as the expectations of Kubernetes' own controllers do).
final class PendingWrites: Sendable {
    /// How long a write is waited for; a watch that is later than this has been started anew.
    static let patience: Duration = .seconds(300)

    private struct Entry {
        var created: [String: WallTime] = [:]
        var deleted: [String: WallTime] = [:]
    }

    private let entries = Mutex<[String: Entry]>([:])

    /// Notes that `pod` was created for the owner `uid`.
    func created(_ pod: String, owner uid: String, now: WallTime) {
        entries.withLock { $0[uid, default: Entry()].created[pod] = now }
    }

    /// Notes that `pod` was deleted for the owner `uid`.
    func deleted(_ pod: String, owner uid: String, now: WallTime) {
        entries.withLock { $0[uid, default: Entry()].deleted[pod] = now }
    }

    /// Takes back that a pod was deleted: the request failed.
    func keeps(_ pod: String, owner uid: String) { entries.withLock { $0[uid]?.deleted[pod] = nil } }

    /// Notes what the watch showed.
    func observed(_ change: ObjectChangeFacts) {
        guard let owner = change.owner, let uid = change.uid else { return }
        entries.withLock { entries in
            guard var entry = entries[owner] else { return }
            entry.created[uid] = nil
            if change.isGoing { entry.deleted[uid] = nil }
            entries[owner] = entry.created.isEmpty && entry.deleted.isEmpty ? nil : entry
        }
    }

    /// The number of created pods that aren't among `seen`, and the uids of deleted ones.
    func pending(owner uid: String, seen: Set<String>, now: WallTime) -> (unseen: Int, doomed: Set<String>) {
        entries.withLock { entries in
            guard let entry = entries[uid] else { return (0, []) }
            let unseen = entry.created.count { !seen.contains($0.key) && $0.value + Self.patience > now }
            return (unseen, Set(entry.deleted.filter { $0.value + Self.patience > now }.keys))
        }
    }

    /// Drops everything about an owner that is gone.
    func forget(owner uid: String) { entries.withLock { $0[uid] = nil } }
}

/// What `PendingWrites` needs to know of a change that a watch showed.
struct ObjectChangeFacts: Sendable, Equatable {
    /// The uid of the controlling owner.
    var owner: String?
    /// The uid of the pod.
    var uid: String?
    /// Whether the pod is being deleted or gone.
    var isGoing: Bool

    /// The facts of a change from `old` to `new`.
    init(old: KubeObject?, new: KubeObject?) {
        let latest = new ?? old
        owner = latest?.controller?.uid
        uid = latest?.uid
        isGoing = new?.isBeingDeleted ?? true
    }
}
