// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import KubeRuntime
import Logging
import ServiceLifecycle

/// A scaler of somebody else that aims at a model, or at a Deployment of it. Its description is a clause.
struct ForeignScaler: Sendable, Hashable, CustomStringConvertible {
    /// What a scaler may aim at; the values are the kinds.
    enum Target: String, Sendable, Hashable {
        /// The ModelDeployment.
        case model = "ModelDeployment"
        /// One of its Deployments, whose count the operator writes itself.
        case deployment = "Deployment"
    }

    /// What a person has to change: `HorizontalPodAutoscaler other`.
    let culprit: String
    /// What it aims at.
    let target: Target
    /// The name of that.
    let name: String

    var description: String { "\(culprit) scales \(target.rawValue) \(name)" }
}

/// Looks for HPAs and KEDA ScaledObjects of others that scale what the operator scales, so that nobody fights.
struct ForeignScalers: Service {
    /// How often it looks at the HPAs that are watched.
    static let interval = Duration.seconds(5)
    /// How often it asks for ScaledObjects, which can't be watched where there are none: a person makes them, once. It asks
    /// sooner where the HPAs that KEDA keeps for them show that something changed.
    static let askingInterval = Duration.seconds(600)
    /// The HPAs that the operator didn't make.
    static let others = LabelSelector(
        requirements: [LabelSelector.Requirement(FleetAPI.managedByLabel, .isNotIn, [FleetAPI.manager])]
    )

    /// KEDA's ScaledObjects; many clusters don't have them.
    static let scaledObjects = ResourceType(
        group: "keda.sh",
        version: "v1alpha1",
        kind: "ScaledObject",
        plural: "scaledobjects",
        isNamespaced: true
    )

    /// The cluster.
    let client: KubeClient
    /// The models and their Deployments.
    let stores: FleetStores
    /// Where it notes what it finds.
    let state: ScalingState
    /// The only namespaces to look at; none for all.
    let namespaces: [String]
    /// The time.
    let time: any TimeSource
    /// The randomness of the wait.
    let random: any RandomSource
    /// The logger.
    let logger: Logger
    /// Called with a model of which something changed.
    let onNews: @Sendable (ObjectKey) -> Void

    /// Looks until cancelled or shut down.
    func run() async throws {
        await cancelOnShutdown {
            do {
                for store in stores.all { try await store.waitUntilSynced() }
                var scaled: [KubeObject] = []
                var nextQuestion: WallTime?
                var aims: [ObjectKey: JSONValue]?
                while !Task.isCancelled {
                    if stores.models.count > 0 {
                        if nextQuestion.map({ $0 <= time.now() }) ?? true, let found = await list(Self.scaledObjects) {
                            scaled = found
                            nextQuestion = time.now() + Self.askingInterval * (0.8 + 0.4 * random.unit())
                        }
                        let made = stores.foreignAutoscalers.all()
                        note(made: made, scaled: scaled)
                        let seen = Self.aims(made)
                        // At the next round: an HPA may go a little before its ScaledObject.
                        if let aims, aims != seen { nextQuestion = nil }
                        aims = seen
                    }
                    try await time.sleep(for: Self.interval)
                }
            } catch {
                logger.debug("the search for other scalers ends", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Notes which models are aimed at by these HPAs and ScaledObjects.
    private func note(made: [KubeObject], scaled: [KubeObject]) {
        guard !scaled.isEmpty || !made.isEmpty || state.hasForeign else { return }
        let found = Self.targets(made + scaled, models: stores.models.keys(), deployments: stores.deployments)
        for key in state.setForeign(found) {
            logger.info(
                "another scaler",
                metadata: ["model": "\(key)", "found": "\(found[key]?.description ?? "gone")"]
            )
            onNews(key)
        }
    }

    /// The objects of a kind; what can't be read now is `nil`, and leaves what is known as it is.
    private func list(_ type: ResourceType) async -> [KubeObject]? {
        var objects: [KubeObject] = []
        let scopes: [String?] = namespaces.isEmpty ? [nil] : namespaces
        for namespace in scopes {
            do {
                objects += try await client.list(type, namespace: namespace).items
            } catch {
                // No such kind, or not allowed to look at it: then it can't be told, and nothing is claimed.
                guard error.isNotFound || error.isForbidden else { return nil }
            }
        }
        return objects
    }

    /// Which models the scalers aim at: of several one of a Deployment, whose count the operator writes itself.
    static func targets(
        _ scalers: [KubeObject],
        models: [ObjectKey],
        deployments: ObjectStore
    ) -> [ObjectKey: ForeignScaler] {
        let known = Set(models)
        var found: [ObjectKey: ForeignScaler] = [:]
        let named = scalers.filter { !$0.isBeingDeleted }.map {
            (culprit: culprit($0), target: $0["spec", "scaleTargetRef"], key: $0.key)
        }
        for (culprit, target, scaler) in named.sorted(by: { ($0.culprit, $0.key) < ($1.culprit, $1.key) }) {
            // KEDA's default kind is Deployment.
            let kind = target?["kind"]?.string.map(ForeignScaler.Target.init) ?? .deployment
            guard let name = target?["name"]?.string, let kind else { continue }
            let key = ObjectKey(namespace: scaler.namespace, name: name)
            let model: ObjectKey?
            switch kind {
            case .model: model = key
            case .deployment:
                model = deployments.object(key)?.controller.flatMap { owner in
                    owner.kind == "ModelDeployment" ? ObjectKey(namespace: key.namespace, name: owner.name) : nil
                }
            }
            guard let model, known.contains(model) else { continue }
            let isWorse = kind == .deployment && found[model]?.target == .model
            if found[model] == nil || isWorse {
                found[model] = ForeignScaler(culprit: culprit, target: kind, name: name)
            }
        }
        return found
    }

    /// What the HPAs that KEDA keeps for ScaledObjects aim at.
    private static func aims(_ scalers: [KubeObject]) -> [ObjectKey: JSONValue] {
        let kept = scalers.filter { scaledObject($0) != nil }
        return Dictionary(kept.map { ($0.key, $0["spec", "scaleTargetRef"] ?? .null) }) { first, _ in first }
    }

    /// The name of the ScaledObject for which KEDA keeps an HPA; `nil` for any other.
    private static func scaledObject(_ scaler: KubeObject) -> String? {
        scaler.controller.flatMap { $0.kind == scaledObjects.kind ? $0.name : nil }
    }

    /// What a person has to change: of an HPA that KEDA keeps for a ScaledObject, that one.
    private static func culprit(_ scaler: KubeObject) -> String {
        scaledObject(scaler).map { "\(scaledObjects.kind) \($0)" } ?? "\(scaler.kind) \(scaler.name)"
    }
}
