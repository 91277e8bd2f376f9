// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import KubeRuntime
import Synchronization

/// What an operator has done and has still to do, at one moment.
public struct OperatorActivity: Sendable, Hashable {
    /// Whether every watch has its first list.
    public var isSynced: Bool
    /// The reconciles that have ended since the process began.
    public var reconciles: Int
    /// The models that wait to be reconciled now; those that wait for a deadline don't count.
    public var waiting: Int
    /// The models that are being reconciled.
    public var inWork: Int

    /// An activity.
    public init(isSynced: Bool = false, reconciles: Int = 0, waiting: Int = 0, inWork: Int = 0) {
        self.isSynced = isSynced
        self.reconciles = reconciles
        self.waiting = waiting
        self.inWork = inWork
    }

    /// Whether everything is listed and nothing is left to do.
    public var isSettled: Bool { isSynced && waiting == 0 && inWork == 0 }

    /// The numbers in the Prometheus text format, version 0.0.4.
    public var exposition: String {
        """
        # HELP modelfleet_synced Whether every watch has its first list.
        # TYPE modelfleet_synced gauge
        modelfleet_synced \(isSynced ? 1 : 0)
        # HELP modelfleet_reconciles_total Reconciles that have ended.
        # TYPE modelfleet_reconciles_total counter
        modelfleet_reconciles_total \(reconciles)
        # HELP modelfleet_models_waiting Models that wait to be reconciled.
        # TYPE modelfleet_models_waiting gauge
        modelfleet_models_waiting \(waiting)
        # HELP modelfleet_models_in_work Models that are being reconciled.
        # TYPE modelfleet_models_in_work gauge
        modelfleet_models_in_work \(inWork)

        """
    }
}

/// Counts an operator's work.
final class OperatorWork: Sendable {
    private let reconciles = Atomic<Int>(0)
    private let queue = Mutex<WorkQueue?>(nil)

    /// Nothing done yet.
    init() {}

    /// The operator works off `queue` from now on.
    func began(with queue: WorkQueue) { self.queue.withLock { $0 = queue } }

    /// What is done and to do.
    func activity(isSynced: Bool) -> OperatorActivity {
        let queue = queue.withLock { $0 }
        return OperatorActivity(
            isSynced: isSynced,
            reconciles: reconciles.load(ordering: .relaxed),
            waiting: queue?.count ?? 0,
            inWork: queue?.inWorkCount ?? 0
        )
    }

    /// `reconciler`, counted.
    func counting(_ reconciler: some Reconciler) -> some Reconciler {
        Counting(reconciler: reconciler) { self.reconciles.add(1, ordering: .relaxed) }
    }

    private struct Counting<Base: Reconciler>: Reconciler {
        let reconciler: Base
        let onEnd: @Sendable () -> Void

        func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
            defer { onEnd() }
            return try await reconciler.reconcile(key)
        }
    }
}
