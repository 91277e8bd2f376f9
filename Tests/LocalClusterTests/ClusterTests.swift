// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import KubeAPI
import KubeModel
import Testing

@testable import LocalCluster

@Suite("The whole local cluster, with real processes", .serialized)
struct ClusterTests {
    @Test("A Deployment gets running pods and endpoints, scales, and takes everything with it", .timeLimit(.minutes(5)))
    func deployment() async throws {
        try await withCluster { client in
            var deployment = WorkloadPlanTests.deployment(replicas: 2, image: "sleeper")
            deployment.namespace = "default"
            var service = KubeObject(.services, namespace: "default", name: "web")
            service["spec"] = ["selector": ["app": "web"], "ports": [["port": 80, "targetPort": 8080]]]
            try await client.create(.services, service)
            deployment = try await client.create(.deployments, deployment)
            try await until("two pods are available") {
                try await client.get(.deployments, deployment.key).statusCount("availableReplicas") == 2
            }
            try await until("two endpoints are ready") {
                let slices = try await client.list(.endpointSlices, namespace: "default").items
                let own = slices.filter { $0.labels[EndpointSlicePlan.serviceLabel] == "web" }
                return own.flatMap { $0["endpoints"]?.array ?? [] }
                    .count { $0.at("conditions", "ready")?.bool ?? false } == 2
            }
            try await client.setReplicas(1, of: .deployments, deployment.key)
            try await until("one pod is left") {
                try await client.list(.pods, namespace: "default").items.count == 1
            }
            try await client.delete(.deployments, deployment.key)
            try await until("everything is collected") {
                let pods = try await client.list(.pods, namespace: "default").items
                return try await client.list(.replicaSets, namespace: "default").items.isEmpty && pods.isEmpty
            }
        }
    }

    @Test("A pod's exit code is that of its process, and it has an address of its own", .timeLimit(.minutes(5)))
    func process() async throws {
        try await withCluster { client in
            var pod = KubeObject(.pods, namespace: "default", name: "job")
            pod["spec"] = [
                "restartPolicy": "Never",
                "containers": [
                    [
                        "name": "main", "image": "shell", "args": ["-c", "echo $POD_IP $GREETING; exit 3"],
                        "env": [["name": "GREETING", "value": "hello $(HOSTNAME)"]],
                    ]
                ],
            ]
            pod = try await client.create(.pods, pod)
            try await until("the pod has failed") { try await client.get(.pods, pod.key).podPhase == "Failed" }
            let ended = try await client.get(.pods, pod.key)
            let terminated = ended["status", "containerStatuses"]?[0]?.at("state", "terminated")
            #expect(terminated?["exitCode"]?.int == 3)
            #expect(ended["status", "podIP"]?.string?.hasPrefix("127.") == true)
        }
    }

    @Test(
        "An image that isn't in the table can't be pulled, and the message names those that are",
        .timeLimit(.minutes(5))
    )
    func missingImage() async throws {
        try await withCluster { client in
            var pod = KubeObject(.pods, namespace: "default", name: "odd")
            pod["spec"] = ["containers": [["name": "main", "image": "nginx:1"]]]
            pod = try await client.create(.pods, pod)
            try await until("the pull has failed") {
                let status = try await client.get(.pods, pod.key)["status", "containerStatuses"]?[0]
                let waiting = status?.at("state", "waiting")
                return waiting?["reason"]?.string == "ErrImagePull"
                    && waiting?["message"]?.string?.contains("shell, sleeper; add it with") == true
            }
            let log = try await client.log("odd", "?container=main")
            #expect(
                log.contains("container \\\"main\\\" in pod \\\"odd\\\" is waiting to start: image can't be pulled")
            )
            try await until("events say so of the container") {
                let events = try await client.list(.events, namespace: "default").items
                return events.contains {
                    $0["message"] == "Error: ErrImagePull"
                        && $0["involvedObject", "fieldPath"] == "spec.containers{main}"
                }
            }
        }
    }

    private func withCluster(_ body: (KubeClient) async throws -> Void) async throws {
        let directory = NSTemporaryDirectory() + "modelfleet-test-" + SystemRandom().uuid()
        let images = LocalImages([
            LocalImages.Entry(image: "sleeper", executable: "/bin/sleep", arguments: ["600"]),
            LocalImages.Entry(image: "shell", executable: "/bin/sh"),
            LocalImages.Entry(image: "a", executable: "/bin/sleep", arguments: ["600"]),
        ])
        let cluster = LocalCluster(
            configuration: LocalClusterConfiguration(directory: directory, images: images, runsProxies: false)
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try? await cluster.run() }
            do {
                try await body(cluster.client())
            } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
            try await group.waitForAll()
        }
        #expect(!FileManager.default.fileExists(atPath: directory))
    }

    private func until(_ what: String, _ condition: () async throws -> Bool) async throws {
        for _ in 0..<400 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("waited in vain until \(what)")
        throw CancellationError()
    }
}
