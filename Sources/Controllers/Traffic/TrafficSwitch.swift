// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeAPI
import KubeModel
import Rollouts

/// What became of a split.
struct TrafficOutcome: Sendable, Equatable {
    /// The shares that are live now, read back from the objects; `nil` where nothing routes to the model, or it can't
    /// be read.
    var observed: ObservedTraffic?
    /// Whether the split is live, so far as the provider can bring it about.
    var isInPlace: Bool
    /// Why it isn't, or what of it has no effect.
    var problems: [TrafficProblem]
}

/// Reads what routes a model's requests, lets a provider decide, and writes.
struct TrafficSwitch: Sendable {
    /// The cluster.
    let client: KubeClient
    /// How often a write that met a concurrent change is decided again; then the next reconcile goes on.
    static let attempts = 3
    /// The reason of a problem that the API server's answer 403 is; one that has just started gives that for a moment.
    static let forbidden = "TrafficForbidden"

    /// Brings a split about and says what is live.
    ///
    /// Every look is a fresh read: a weight that was read from a late watch might be one that is no more.
    /// - Throws: `KubeError` where the cluster can't be asked; what it refuses is a problem in the outcome.
    func bring(
        _ split: TrafficSplit,
        by provider: any TrafficProvider,
        namespace: String
    ) async throws(KubeError) -> TrafficOutcome {
        var plan = TrafficPlan()
        for _ in 0..<Self.attempts {
            let live: [TrafficObject: KubeObject]
            switch try await read(split, provider, namespace) {
            case .problem(let problem): return TrafficOutcome(observed: nil, isInPlace: false, problems: [problem])
            case .objects(let objects): live = objects
            }
            plan = provider.plan(split, namespace: namespace, live: live)
            if plan.writes.isEmpty {
                return TrafficOutcome(observed: plan.observed, isInPlace: plan.isInPlace, problems: plan.problems)
            }
            for write in plan.writes {
                do {
                    try await send(write)
                } catch {
                    if error.disposition == .redoRead { break }
                    guard error.disposition == .terminal else { throw error }
                    let problem = Self.refused(write, error)
                    return TrafficOutcome(
                        observed: plan.observed,
                        isInPlace: false,
                        problems: plan.problems + [problem]
                    )
                }
            }
        }
        return TrafficOutcome(observed: plan.observed, isInPlace: false, problems: plan.problems)
    }

    private enum Reading {
        case objects([TrafficObject: KubeObject])
        case problem(TrafficProblem)
    }

    private func read(
        _ split: TrafficSplit,
        _ provider: any TrafficProvider,
        _ namespace: String
    ) async throws(KubeError) -> Reading {
        var live: [TrafficObject: KubeObject] = [:]
        for object in provider.objects(for: split, namespace: namespace) {
            do {
                live[object] = try await client.get(object.type, object.key)
            } catch {
                guard let status = error.status, [403, 404].contains(status.code) else { throw error }
                if status.code == 403 {
                    return .problem(
                        .blocking(
                            Self.forbidden,
                            "the operator may not read \(object): \(error.message); give its ClusterRole the verbs get and patch "
                                + "for \(object.type.plural)"
                        )
                    )
                }
                // A server that knows the resource names the object.
                guard status.name == nil else { continue }
                return .problem(
                    .blocking(
                        "TrafficResourceMissing",
                        "the cluster has no \(object.type) of version \(object.type.version), which the traffic "
                            + "provider \(provider.name) needs: install its definitions, or choose another "
                            + "spec.rollout.traffic.provider"
                    )
                )
            }
        }
        return .objects(live)
    }

    private func send(_ write: TrafficPlan.Write) async throws(KubeError) {
        switch write {
        case .patch(let object, let patch): try await client.patch(object.type, object.key, .merge(patch))
        case .apply(let object, let body): try await client.apply(object.type, body, force: true)
        case .delete(let object, let uid):
            do {
                try await client.delete(object.type, object.key, options: DeleteOptions(uid: uid))
            } catch {
                if !error.isNotFound { throw error }
            }
        }
    }

    private static func refused(_ write: TrafficPlan.Write, _ error: KubeError) -> TrafficProblem {
        let object =
            switch write {
            case .patch(let object, _), .apply(let object, _), .delete(let object, _): object
            }
        let advice =
            error.isForbidden ? "; give the operator's ClusterRole the verb patch for \(object.type.plural)" : ""
        return .blocking(
            error.isForbidden ? forbidden : "TrafficRejected",
            "\(object) can't be written: \(error.message)\(advice)"
        )
    }
}
