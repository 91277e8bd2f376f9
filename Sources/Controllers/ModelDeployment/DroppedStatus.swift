// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Synchronization

/// Notices that the cluster didn't keep all of a status: its definition is older than this program and drops what it doesn't know.
///
/// What is dropped is written again by every reconcile, since it is always missing, and a decision that rests on it is made
/// anew each time; so somebody has to be told, once for each model by a process.
final class DroppedStatus: Sendable {
    /// The most fields that are named.
    private static let mostFields = 5
    private let said = Mutex<Set<ObjectKey>>([])

    /// Nobody was told yet.
    init() {}

    /// What to tell of the model `key`; `nil` where everything was kept, or it was told before.
    /// - Parameters:
    ///   - wanted: the status as it was written.
    ///   - kept: the status that the server answered with.
    func notice(_ key: ObjectKey, wanted: JSONValue, kept: JSONValue) -> String? {
        let fields = Self.missing(wanted, in: kept, path: "status")
        guard !fields.isEmpty, said.withLock({ $0.insert(key).inserted }) else { return nil }
        let more = fields.count > Self.mostFields ? " and \(fields.count - Self.mostFields) more" : ""
        return "the cluster's definition of ModelDeployment doesn't keep "
            + fields.prefix(Self.mostFields).joined(separator: ", ")
            + "\(more): it is older than the operator; apply the definitions of this version with "
            + "`modelfleet crds | kubectl apply --server-side -f -`"
    }

    /// A model is gone.
    func forget(_ key: ObjectKey) { said.withLock { _ = $0.remove(key) } }

    /// The outermost members of `wanted` that `kept` lacks; lists aren't looked into.
    private static func missing(_ wanted: JSONValue, in kept: JSONValue?, path: String) -> [String] {
        guard let kept else { return [path] }
        guard let members = wanted.object else { return [] }
        return members.flatMap { missing($0.value, in: kept[$0.key], path: "\(path).\($0.key)") }.sorted()
    }
}
