// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Rollouts

/// Puts a `TrafficSplit` into the objects that whoever routes requests follows.
///
/// A provider is pure: it says what it must see, and from that what to write and which share is live. Only weights,
/// matches and mirrors of the model's two Services are written; whatever else others have in the same objects stays as
/// it is.
protocol TrafficProvider: Sendable {
    /// Its name in the spec and the status.
    var name: String { get }

    /// The objects whose present state `plan` needs, of the model's `namespace`.
    func objects(for split: TrafficSplit, namespace: String) -> [TrafficObject]

    /// Decides from what is there; objects that don't exist are missing in `live`.
    func plan(_ split: TrafficSplit, namespace: String, live: [TrafficObject: KubeObject]) -> TrafficPlan
}

/// One object that routes requests.
struct TrafficObject: Sendable, Hashable, CustomStringConvertible {
    /// Its resource.
    var type: ResourceType
    /// Namespace and name.
    var key: ObjectKey

    /// Kind and name: `HTTPRoute "shop"`.
    var description: String { "\(type.kind) \"\(key.name)\"" }
}

/// What a provider wants done.
struct TrafficPlan: Sendable, Equatable {
    /// One write.
    enum Write: Sendable, Hashable {
        /// A merge patch, with the `resourceVersion` that it rests on: a change meanwhile makes it a conflict.
        case patch(TrafficObject, JSONValue)
        /// An object of the operator's own, applied on the server's side.
        case apply(TrafficObject, KubeObject)
        /// An object of the operator's own that isn't needed any more; with its uid.
        case delete(TrafficObject, uid: String)
    }

    /// The writes, in order; none when everything is as it should be.
    var writes: [Write] = []
    /// The shares that were live before the writes; `nil` where nothing routes to the model.
    var observed: ObservedTraffic?
    /// Why the split can't be brought about, or not all of it.
    var problems: [TrafficProblem] = []

    /// Whether the split is live, so far as the provider can bring it about.
    var isInPlace: Bool { writes.isEmpty && problems.allSatisfy { !$0.blocks } }
}

/// The canary's live shares: with several routes they differ while one was written and another not yet.
struct ObservedTraffic: Sendable, Equatable {
    /// The smallest share in any route, 0 to 100 per cent: what the canary has at least.
    var lowest: Int
    /// The largest share in any route, 0 to 100 per cent: what the canary must be able to carry.
    var highest: Int

    /// One share for all.
    init(weight: Int) {
        lowest = weight
        highest = weight
    }

    /// The shares of several routes; `nil` of none.
    init?(weights: [Int]) {
        guard let lowest = weights.min(), let highest = weights.max() else { return nil }
        self.lowest = lowest
        self.highest = highest
    }
}

/// Why a split can't be brought about.
struct TrafficProblem: Sendable, Hashable {
    /// One word for the condition.
    var reason: String
    /// What is wrong and what to do, in one line.
    var message: String
    /// Whether the weights can't move; otherwise only a part of the wish (a sticky header) is without effect.
    var blocks: Bool

    /// A problem that keeps the weights from moving.
    static func blocking(_ reason: String, _ message: String) -> TrafficProblem {
        TrafficProblem(reason: reason, message: message, blocks: true)
    }

    /// A part of the wish that has no effect.
    static func ineffective(_ reason: String, _ message: String) -> TrafficProblem {
        TrafficProblem(reason: reason, message: message, blocks: false)
    }
}
