// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import KubeRuntime
import Synchronization

/// Models as values, read once for each state of theirs: a scaling decision looks at its model every two seconds, and reading it is
/// the greater part of looking.
///
/// What a store hands out is one object as long as nothing about it changes, so which object it is says whether what was read of it
/// holds. Only so many are remembered: as values they need ten times the room that the store needs.
final class DecodedModels: Sendable {
    /// A model as it was read.
    struct Decoded: Sendable {
        /// As it is stored.
        let stored: KubeObject
        /// With defaults.
        let model: ModelDeployment
    }

    /// The most models that are remembered: some 10 MiB.
    static let limit = 1024

    private let limit: Int
    private let entries = Mutex<[ObjectKey: (source: StoredObject, decoded: Decoded)]>([:])

    /// Remembers none yet.
    init(limit: Int = DecodedModels.limit) { self.limit = limit }

    /// The number of models that are remembered.
    var count: Int { entries.withLock { $0.count } }

    /// What a stored model says.
    /// - Parameter read: reads of it what is needed, the same each time; called once for a stored state, as long as that is remembered.
    func model(_ source: StoredObject, reading read: (StoredObject) -> KubeObject) -> Decoded {
        if let known = entries.withLock({ $0[source.key] }), known.source === source { return known.decoded }
        let stored = read(source)
        let decoded = Decoded(stored: stored, model: ModelDeployment(stored))
        entries.withLock { entries in
            // Which one goes is of no consequence but for time.
            if entries[source.key] == nil, entries.count >= limit { entries.remove(at: entries.startIndex) }
            entries[source.key] = (source, decoded)
        }
        return decoded
    }

    /// A model is gone.
    func forget(_ key: ObjectKey) { entries.withLock { $0[key] = nil } }
}
