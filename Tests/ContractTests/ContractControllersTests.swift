// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import Testing

/// What the cluster's own controllers promise.
@Suite("Contract: controllers", .timeLimit(.minutes(3)))
struct ContractControllersTests {
    @Test("a deployment makes a replica set, and that makes pods with owners")
    func deployment() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let made = try await client.create(.deployments, ContractObjects.deployment("d", in: namespace))
            let pods = try await client.eventually(.pods, in: namespace) { pods in
                pods.filter { $0.labels["app"] == "d" && !$0.isBeingDeleted }.count == 2
            }
            let owner = try #require(pods.first?.controller)
            #expect(owner.kind == "ReplicaSet")
            let replicaSet = try await client.get(
                .replicaSets,
                ObjectKey(namespace: namespace, name: owner.name)
            )
            #expect(replicaSet.controller?.uid == made.uid)
            #expect(replicaSet.labels["pod-template-hash"]?.isEmpty == false)
        }
    }

    @Test("scaling a deployment changes the number of its pods")
    func scale() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let made = try await client.create(.deployments, ContractObjects.deployment("d", in: namespace))
            try await client.setReplicas(3, of: .deployments, made.key)
            _ = try await client.eventually(.pods, in: namespace) { $0.filter { !$0.isBeingDeleted }.count == 3 }
            try await client.setReplicas(1, of: .deployments, made.key)
            _ = try await client.eventually(.pods, in: namespace) { $0.filter { !$0.isBeingDeleted }.count == 1 }
            let status = try await client.eventually(.deployments, in: namespace) {
                $0.first?["status", "replicas"] == 1
            }
            #expect(status.first?["status", "observedGeneration"]?.integer == status.first?.generation)
        }
    }

    @Test("what a deleted owner owned is deleted")
    func garbageCollection() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let made = try await client.create(.deployments, ContractObjects.deployment("d", in: namespace))
            _ = try await client.eventually(.pods, in: namespace) { $0.count == 2 }
            try await client.delete(.deployments, made.key, options: DeleteOptions(propagation: .background))
            _ = try await client.eventually(.replicaSets, in: namespace) { $0.isEmpty }
            _ = try await client.eventually(.pods, in: namespace) { pods in
                pods.allSatisfy { $0.isBeingDeleted }
            }
        }
    }

    @Test("a service gets an address, and an endpoint slice that names it")
    func service() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            var service = KubeObject(.services, namespace: namespace, name: "s")
            service["spec"] = ["selector": ["app": "d"], "ports": [["port": 80, "targetPort": 8080]]]
            let made = try await client.create(.services, service)
            #expect(made["spec", "clusterIP"]?.string?.isEmpty == false)
            #expect(made["spec", "type"] == "ClusterIP")
            let slices = try await client.eventually(.endpointSlices, in: namespace) { !$0.isEmpty }
            #expect(slices.first?.labels["kubernetes.io/service-name"] == "s")
        }
    }

    @Test("a deleted namespace takes its objects along")
    func namespaces() async throws {
        let client = try await ContractCluster.client()
        let name = ContractCluster.freshName()
        try await client.create(.namespaces, KubeObject(.namespaces, namespace: nil, name: name))
        try await client.create(.configMaps, ContractObjects.configMap("a", in: name))
        try await client.delete(.namespaces, ObjectKey(namespace: nil, name: name))
        let key = ObjectKey(namespace: nil, name: name)
        while let namespace = try await client.find(.namespaces, key) {
            #expect(namespace["status", "phase"] == "Terminating")
            try await ContractCluster.time.sleep(for: .milliseconds(200))
        }
        #expect(try await client.list(.configMaps, namespace: name).items.isEmpty)
    }
}
