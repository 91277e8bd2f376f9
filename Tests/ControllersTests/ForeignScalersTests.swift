// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import KubeTesting
import Logging
import Synchronization
import Testing

@testable import Controllers

@Suite("Scalers of others", .timeLimit(.minutes(1)))
struct ForeignScalersTests {
    /// A cluster with KEDA, models `a` and `b`, and the search for scalers in it, on the test's own thread.
    private final class Cluster: Sendable {
        let stores = FleetStores()
        let state = ScalingState()
        private let scheduler = SimScheduler(seed: 1)
        /// What each ScaledObject aims at; `nil` where they can't be listed now.
        private let scaled = Mutex<[String: String]?>([:])
        private let running = Mutex<Task<Void, Never>?>(nil)

        init() {
            for store in stores.all { store.replaceAll([]) }
            stores.models.replaceAll(["a", "b"].map { OperatorHarness.model($0) })
            let time = SimClock(scheduler)
            let exchange = ClosureExchange { [self] _ in list() }
            let search = ForeignScalers(
                client: KubeClient(exchange: exchange, limiter: nil, retries: 0, time: time),
                stores: stores,
                state: state,
                namespaces: [],
                time: time,
                random: SeededRandom(seed: 1),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ) { _ in }
            let task = scheduler.makeProcess("operator").spawn { try? await search.run() }
            running.withLock { $0 = task }
        }

        /// A person changes ScaledObjects.
        func setScaledObjects(_ aims: [String: String]?) { scaled.withLock { $0 = aims } }

        /// KEDA changes the HPAs that it keeps for ScaledObjects.
        func setAutoscalers(_ aims: [String: String]) {
            let autoscalers = aims.map { name, model in
                var autoscaler = KubeObject(.horizontalPodAutoscalers, namespace: "default", name: "keda-hpa-\(name)")
                let owner = OwnerReference(apiVersion: "keda.sh/v1alpha1", kind: "ScaledObject", name: name, uid: "u")
                autoscaler.json.set([owner.json], at: "metadata", "ownerReferences")
                autoscaler["spec"] = ["scaleTargetRef": Self.target(model), "maxReplicas": 3]
                return autoscaler
            }
            stores.foreignAutoscalers.replaceAll(autoscalers)
        }

        func pass(_ time: Duration) { _ = scheduler.run(until: scheduler.now + time) }

        func foreign(_ model: String) -> String? { state.foreign(OperatorHarness.key(model))?.description }

        func stop() {
            running.withLock { $0?.cancel() }
            scheduler.drain()
        }

        private func list() -> HTTPResponseMessage {
            guard let aims = scaled.withLock({ $0 }) else {
                return HTTPResponseMessage(status: .internalServerError, text: "")
            }
            let items = aims.sorted { $0.key < $1.key }.map { name, model -> JSONValue in
                [
                    "metadata": ["name": .string(name), "namespace": "default"],
                    "spec": ["scaleTargetRef": Self.target(model)],
                ]
            }
            let list: JSONValue = [
                "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObjectList", "metadata": ["resourceVersion": "1"],
                "items": .array(items),
            ]
            return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: list.encoded())
        }

        private static func target(_ model: String) -> JSONValue {
            ["apiVersion": "modelfleet.dev/v1alpha1", "kind": "ModelDeployment", "name": .string(model)]
        }
    }

    /// A cluster in which a ScaledObject aims at `a`, and is known.
    private func found() -> Cluster {
        let cluster = Cluster()
        cluster.setScaledObjects(["so": "a"])
        cluster.setAutoscalers(["so": "a"])
        cluster.pass(.seconds(60))
        #expect(cluster.foreign("a") == "ScaledObject so scales ModelDeployment a")
        return cluster
    }

    @Test("a ScaledObject that is gone is believed no longer than its HPA, also when that goes first")
    func gone() {
        let cluster = found()
        defer { cluster.stop() }
        cluster.setAutoscalers([:])
        cluster.pass(.seconds(4))
        cluster.setScaledObjects([:])
        cluster.pass(.seconds(7))
        #expect(cluster.foreign("a") == nil)
    }

    @Test("a ScaledObject that has another target is believed to have the old one no longer than its HPA")
    func retargeted() {
        let cluster = found()
        defer { cluster.stop() }
        cluster.setScaledObjects(["so": "b"])
        cluster.setAutoscalers(["so": "b"])
        cluster.pass(.seconds(11))
        #expect(cluster.foreign("a") == nil)
        #expect(cluster.foreign("b") == "ScaledObject so scales ModelDeployment b")
    }

    @Test("where ScaledObjects can't be listed, what is known of them stays, and they are asked for again")
    func unreadable() {
        let cluster = found()
        defer { cluster.stop() }
        cluster.setScaledObjects(nil)
        cluster.setAutoscalers([:])
        cluster.pass(.seconds(30))
        #expect(cluster.foreign("a") != nil)
        cluster.setScaledObjects([:])
        cluster.pass(.seconds(6))
        #expect(cluster.foreign("a") == nil)
    }

    @Test("a ScaledObject without an HPA is found within twelve minutes")
    func withoutAutoscaler() {
        let cluster = Cluster()
        defer { cluster.stop() }
        cluster.pass(.seconds(60))
        cluster.setScaledObjects(["so": "a"])
        cluster.pass(.seconds(720))
        #expect(cluster.foreign("a") == "ScaledObject so scales ModelDeployment a")
    }

    @Test("of several the one counts that scales a Deployment; one that is being deleted doesn't")
    func several() {
        let stores = FleetStores()
        var deployment = KubeObject(.deployments, namespace: "default", name: "a-r1")
        let owner = OwnerReference(apiVersion: "modelfleet.dev/v1alpha1", kind: "ModelDeployment", name: "a", uid: "u")
        deployment.json.set([owner.json], at: "metadata", "ownerReferences")
        stores.deployments.replaceAll([deployment])
        func scaler(_ name: String, _ kind: String, _ target: String) -> KubeObject {
            var scaler = KubeObject(.horizontalPodAutoscalers, namespace: "default", name: name)
            scaler["spec"] = ["scaleTargetRef": ["kind": .string(kind), "name": .string(target)]]
            return scaler
        }
        func found(_ scalers: KubeObject...) -> ForeignScaler? {
            let key = OperatorHarness.key("a")
            return ForeignScalers.targets(scalers, models: [key], deployments: stores.deployments)[key]
        }
        let (meant, cpu) = (scaler("a", "ModelDeployment", "a"), scaler("a-cpu", "Deployment", "a-r1"))
        #expect(found(meant)?.description == "HorizontalPodAutoscaler a scales ModelDeployment a")
        #expect(found(meant)?.target == .model && found(cpu)?.target == .deployment)
        #expect(found(meant, cpu)?.description == "HorizontalPodAutoscaler a-cpu scales Deployment a-r1")
        #expect(found(cpu, scaler("b", "Deployment", "a-r1"), meant)?.culprit == "HorizontalPodAutoscaler a-cpu")
        #expect(found(scaler("c", "StatefulSet", "a-r1")) == nil)
        var leaving = cpu
        leaving.json.set("2026-11-30T00:00:00Z", at: "metadata", "deletionTimestamp")
        #expect(found(leaving) == nil)
    }
}
