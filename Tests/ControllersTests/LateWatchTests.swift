// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import KubeRuntime
import KubeTesting
import Scaling
import Telemetry
import Testing

@testable import Controllers

/// A model grows from one replica to five, and pods and Deployments come over watches that are late, each by as much as it
/// likes: every pair of views is decided on.
@Suite("Deciding while watches are late")
struct LateWatchTests {
    /// What happened, in its order.
    private enum Step {
        /// The count is written.
        case asked
        /// A pod is made.
        case made(Int)
        /// The Deployment controller has counted the pods.
        case counted
        /// A pod gets ready.
        case ready(Int)
        /// The Deployment controller has counted the ready ones.
        case countedReady(Int)

        var isAboutPods: Bool {
            switch self {
            case .made, .ready: true
            case .asked, .counted, .countedReady: false
            }
        }
    }

    private static let now = WallTime(seconds: 1_800_000_000)
    private static let size = 5
    /// Needs five replicas of four each, and is less than a replica's target on each of them.
    private static let load = 17.0

    /// A history, whose pods get ready in an order that the seed gives.
    private func history(seed: UInt64) -> [Step] {
        let random = SeededRandom(seed: seed)
        var steps: [Step] = [.asked] + (1..<Self.size).map(Step.made)
        steps.insert(.counted, at: 2 + Int(random.next() % UInt64(Self.size - 1)))
        var waiting = Array(1..<Self.size)
        for count in 2...Self.size {
            steps.append(.ready(waiting.remove(at: Int(random.next() % UInt64(waiting.count)))))
            if random.unit() < 0.7 || count == Self.size { steps.append(.countedReady(count)) }
        }
        return steps
    }

    private func deployment(_ steps: some Sequence<Step>) -> KubeObject {
        var (replicas, generation, observed, counted, ready) = (1, 1, 1, 1, 1)
        for step in steps {
            switch step {
            case .asked: (replicas, generation) = (Self.size, 2)
            case .counted: (observed, counted) = (2, Self.size)
            case .countedReady(let count): (observed, counted, ready) = (2, Self.size, count)
            case .made, .ready: break
            }
        }
        var object = KubeObject(.deployments, namespace: "default", name: "m-r1")
        object.labels = [FleetAPI.revisionLabel: "1"]
        object.ownerReferences = [
            OwnerReference(controller: model)
        ].compactMap(\.self)
        object["metadata", "generation"] = JSONValue(generation)
        object["spec"] = ["replicas": JSONValue(replicas)]
        object["status"] = [
            "replicas": JSONValue(counted), "readyReplicas": JSONValue(ready),
            "observedGeneration": JSONValue(observed),
        ]
        return object
    }

    private func pods(_ steps: some Sequence<Step>) -> [KubeObject] {
        var ready: [Int: Bool] = [0: true]
        for step in steps {
            switch step {
            case .made(let pod): ready[pod] = false
            case .ready(let pod): ready[pod] = true
            case .asked, .counted, .countedReady: break
            }
        }
        return ready.sorted { $0.key < $1.key }.map { number, isReady in
            var pod = Make.pod("m-\(number)", labels: [FleetAPI.modelLabel: "m", FleetAPI.revisionLabel: "1"])
            pod["status"] = isReady ? OperatorHarness.ready("10.0.0.\(number + 1)") : ["phase": "Pending"]
            return pod
        }
    }

    private var model: KubeObject {
        var model = OperatorHarness.model(spec: [
            "scaling": [
                "minReplicas": 1, "maxReplicas": JSONValue(Self.size), "targets": [["signal": "InFlight", "value": 4]],
                "behavior": ["scaleDown": ["stabilizationWindowSeconds": 0]],
            ]
        ])
        model["metadata", "uid"] = "u"
        return model
    }

    /// What is decided when of the history the first steps are seen, pods and Deployments apart; each ready pod that is seen
    /// was read just now and holds its share of the load.
    private func decide(_ past: ArraySlice<Step>, deployments: Int, pods: Int) throws -> ScaleDecision {
        let stores = FleetStores()
        stores.models.replaceAll([model])
        stores.runtimes.replaceAll([ServingRuntime.builtIn])
        let deployment = deployment(past.filter { !$0.isAboutPods }.prefix(deployments))
        let seen = self.pods(past.filter(\.isAboutPods).prefix(pods))
        stores.deployments.replaceAll([deployment])
        stores.pods.replaceAll(seen)
        let mapping = ServingRuntime(ServingRuntime.builtIn).mapping
        let share = Self.load / Double(self.pods(past).count(where: PodDiagnosis.isReady))
        let text = "modelfleet_queue_length 0\nmodelfleet_requests_in_flight \(share)\n"
        let page = try ExpositionParser.parse(Array(text.utf8), selection: mapping.selection)
        let part = TrackSignals.Part.reported(
            ReplicaSignals(ReplicaScrape(page: page, mapping: mapping, time: Self.now), since: nil)
        )
        let parts = Dictionary(uniqueKeysWithValues: seen.filter(PodDiagnosis.isReady).map { ($0.name, part) })
        let observation = try #require(
            ModelObservation(OperatorHarness.key("m"), stores: stores, scaling: nil, time: Self.now)
        )
        var autoscaler = Autoscaler(policy: observation.model.scalingPolicy)
        return autoscaler.decide(
            ScaleObservation(
                observation,
                deployment: try #require(observation.deployment(1)),
                signals: TrackSignals(parts: parts, now: Self.now, staleAfter: .seconds(30)),
                sinceLast: nil,
                now: Self.now
            )
        )
    }

    @Test(
        "no view without some of the pods lowers the count, and the whole one decides",
        arguments: 1...12 as ClosedRange<UInt64>
    )
    func partial(seed: UInt64) throws {
        let history = history(seed: seed)
        var dangerous = 0
        for end in 1...history.count {
            let past = history[..<end]
            let deployments = past.count { !$0.isAboutPods }
            let pods = past.count(where: \.isAboutPods)
            for seenDeployments in 1...deployments {
                for seenPods in 0...pods where self.pods(past.filter(\.isAboutPods).prefix(seenPods)).count < Self.size
                {
                    let decision = try decide(past, deployments: seenDeployments, pods: seenPods)
                    #expect(decision.current == Self.size)
                    #expect(decision.desired == Self.size, "\(decision.reason.message)")
                    // What was read would have been enough for fewer.
                    if decision.steps.contains(where: { $0.rule == "Unread" || $0.rule == "MissingData" }) {
                        dangerous += 1
                    }
                }
            }
        }
        #expect(dangerous > 10)
        let whole = try decide(history[...], deployments: .max, pods: .max)
        #expect(whole.desired == Self.size)
        #expect(whole.reason.code == "WithinTolerance")
    }
}
