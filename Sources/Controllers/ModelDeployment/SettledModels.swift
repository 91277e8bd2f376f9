// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import KubeRuntime
import Synchronization

/// Remembers which models were found as wanted, and what that was found from.
///
/// A plan depends on nothing but its observation. As long as none of the objects that it read has changed, and no
/// deadline has passed, the same plan would come out: to send nothing. A live object that somebody changes has another
/// revision in its store, so drift is found as ever.
final class SettledModels: Sendable {
    /// Everything that an observation of a model is made of, as numbers that change when it does.
    struct Inputs: Sendable, Hashable {
        /// The resource version of the model, which tells this process's own writes from those of others.
        var version: String
        /// The model's uid.
        var uid: String
        /// The revisions of the model, its Service and its HPA, 0 where there is none, and that of all runtimes.
        var single: [UInt64]
        /// The revisions of its Deployments.
        var deployments: [UInt64]
        /// The revisions of its pods.
        var pods: [UInt64]
        /// When the last scaling decision that status shows was made.
        var decided: WallTime?
        /// What else scales its target.
        var foreign: ForeignScaler?
        /// How long its pods take to get ready.
        var coldStart: Double?
        /// What was done to its revisions.
        var memory: RevisionMemory
    }

    private struct Entry {
        var inputs: Inputs
        /// When time alone may change the plan.
        var until: WallTime?
        /// The version of the model with the status that was written last, until its store shows it.
        var written: String?
    }

    private let entries = Mutex<[ObjectKey: Entry]>([:])

    /// Knows nothing yet.
    init() {}

    /// The inputs of a model as they are now; `nil` for one that is gone.
    func inputs(_ key: ObjectKey, stores: FleetStores, scaling: ScalingState, ledger: RevisionLedger) -> Inputs? {
        guard let model = stores.models.stored(key) else { return nil }
        // The uid is the same as long as the revision is: reading it from the object costs more than all the rest.
        let known = entries.withLock { entries in
            entries[key].flatMap { $0.inputs.single.first == model.revision ? $0.inputs.uid : nil }
        }
        guard let uid = known ?? model.value(at: "metadata", "uid")?.string else { return nil }
        return Inputs(
            version: model.resourceVersion,
            uid: uid,
            single: [
                model.revision, stores.services.stored(key)?.revision ?? 0,
                stores.autoscalers.stored(key)?.revision ?? 0, stores.runtimes.revision,
            ],
            deployments: stores.deployments.revisions(ownedBy: uid),
            pods: stores.pods.revisions(label: FleetAPI.modelLabel, key.name),
            decided: scaling.record(key)?.time,
            foreign: scaling.foreign(key),
            coldStart: scaling.coldStart(key),
            memory: ledger.memory(key, uid: uid)
        )
    }

    /// What a reconcile would answer without sending anything; `nil` where it has to look.
    func outcome(_ key: ObjectKey, _ inputs: Inputs, now: WallTime) -> ReconcileOutcome? {
        let entry = entries.withLock { entries -> Entry? in
            guard var entry = entries[key] else { return nil }
            if let written = entry.written, written == inputs.version {
                entry.written = nil
                entry.inputs.follow(inputs)
                entries[key] = entry
            }
            return entry
        }
        guard let entry, entry.inputs.isSame(as: inputs) else { return nil }
        guard let until = entry.until else { return .awaitChange }
        return until > now ? .requeue(after: until - now) : nil
    }

    /// Notes that a model is as wanted, given these inputs, until `recheck` has passed.
    /// - Parameter written: the version of the model after its status was written; the rest of it is as the inputs say.
    func note(_ key: ObjectKey, _ inputs: Inputs, written: String? = nil, recheck: Duration?, now: WallTime) {
        entries.withLock { $0[key] = Entry(inputs: inputs, until: recheck.map { now + $0 }, written: written) }
    }

    /// Forgets a model.
    func forget(_ key: ObjectKey) { entries.withLock { $0[key] = nil } }
}

extension SettledModels.Inputs {
    /// Whether the same plan follows; a version without another content is none.
    func isSame(as other: Self) -> Bool {
        var same = self
        same.version = other.version
        return same == other
    }

    /// Takes over the model of `other`: what was written by this process itself.
    mutating func follow(_ other: Self) {
        single[0] = other.single[0]
        version = other.version
    }
}
