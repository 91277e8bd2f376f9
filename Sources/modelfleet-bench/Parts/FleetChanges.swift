// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel

/// Changes of a fleet: one model after the other, each in a way that is chosen at random.
///
/// | share | change | the operator then |
/// | --- | --- | --- |
/// | 1 % | a model goes, and comes back as a new one | makes all its objects |
/// | 4 % | a model's file | makes a revision, brings it up, switches the traffic, removes the old one |
/// | 2 % | an annotation of a model | isn't told |
/// | 46 % | a model's bounds | writes the status |
/// | 47 % | an annotation of a model's Service, by another program | finds that nothing is to be done |
///
/// Each model belongs to one lane, so that no two changes of a model meet; and since the others come first, a change was
/// reconciled, mostly, before the model is changed again.
struct FleetChanges: Sendable {
    private let client: KubeClient
    private let standIn: ClusterStandIn
    private let models: Int
    private let lanes: Int
    private let state: Shared<State>

    private struct State {
        /// The uids of the models that exist, by number.
        var uids: [Int: String] = [:]
        /// The changes that each lane has made.
        var made: [Int]
    }

    /// Changes of `models` models, by `lanes` tasks at a time.
    init(client: KubeClient, standIn: ClusterStandIn, models: Int, lanes: Int) {
        self.client = client
        self.standIn = standIn
        self.models = models
        self.lanes = min(lanes, models)
        state = Shared(State(made: Array(repeating: 0, count: lanes)))
    }

    /// Creates a model.
    func create(_ index: Int) async throws {
        let uid = try await client.create(.modelDeployments, Fleet.model(index)).uid
        state.change { $0.uids[index] = uid }
    }

    /// One change of the next model of `lane`.
    func change(_ lane: Int) async throws {
        let made = state.value.made[lane]
        state.change { $0.made[lane] += 1 }
        let ofLane = (models - lane % lanes + lanes - 1) / lanes
        let (round, place) = made.quotientAndRemainder(dividingBy: ofLane)
        let index = lane % lanes + place * lanes
        let key = Fleet.key(index)
        let note: JSONValue = ["metadata": ["annotations": ["bench": .string(String(round))]]]
        switch SystemRandom().unit() {
        case ..<0.01: try await replace(index)
        case ..<0.05:
            let file = "https://models.example.com/\(round)/model.onnx"
            try await client.patch(.modelDeployments, key, .merge(["spec": ["model": ["uri": .string(file)]]]))
        case ..<0.07: try await client.patch(.modelDeployments, key, .merge(note))
        case ..<0.53:
            let most = Int64(2 + round % 7)
            try await client.patch(
                .modelDeployments,
                key,
                .merge(["spec": ["scaling": ["maxReplicas": .integer(most)]]])
            )
        default:
            // A model that is new has none yet.
            do throws(KubeError) { try await client.patch(.services, key, .merge(note)) } catch {
                if !error.isNotFound { throw error }
            }
        }
    }

    /// Deletes a model, and creates one of the same name.
    private func replace(_ index: Int) async throws {
        let key = Fleet.key(index)
        try await client.delete(.modelDeployments, key)
        if let uid = state.value.uids[index] { standIn.collect(key, uid: uid) }
        try await create(index)
    }
}
