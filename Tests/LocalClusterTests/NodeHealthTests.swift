// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import KubeAPI
import KubeModel
import Testing

@testable import LocalCluster

@Suite("Nodes that fail", .serialized)
struct NodeHealthTests {
    private let now = WallTime(nanoseconds: 1_767_225_600_000_000_000)

    private func ready(_ status: String = "True") -> KubeObject {
        var node = SchedulingTests.node("a")
        node["status", "conditions"] = [["type": "Ready", "status": .string(status)]]
        return node
    }

    @Test("A silent node's conditions become unknown, then it is tainted; when it speaks again the taints go")
    func silence() {
        let grace = Duration.seconds(50)
        let fine = NodePlan(node: ready(), seen: now, grace: grace, now: now + .seconds(50))
        #expect(fine.conditions == nil && fine.taints == nil && fine.isReady)
        #expect(fine.requeue == .milliseconds(10))
        let late = now + .seconds(51)
        let lost = NodePlan(node: ready(), seen: now, grace: grace, now: late)
        #expect(lost.conditions?.map { $0["status"] } == ["Unknown", "Unknown", "Unknown", "Unknown"])
        #expect(lost.conditions?.first?["reason"] == "NodeStatusUnknown")
        #expect(!lost.isReady && lost.requeue == nil)
        var node = ready()
        node["status", "conditions"] = lost.conditions.map { .array($0) }
        let tainted = NodePlan(node: node, seen: now, grace: grace, now: late)
        #expect(tainted.conditions == nil)
        #expect(tainted.taints?.map(\.effect) == [.noSchedule, .noExecute])
        #expect(tainted.taints?.allSatisfy { $0.key == Taint.unreachable && $0.added == late } == true)
        node["spec", "taints"] = tainted.taints.map { .array($0.map(\.json)) }
        #expect(NodePlan(node: node, seen: now, grace: grace, now: late + .seconds(9)).taints == nil)
        node["status", "conditions"] = ready()["status", "conditions"]
        #expect(NodePlan(node: node, seen: late, grace: grace, now: late).taints == [])
    }

    @Test("A node is heard of by its lease and by what it says of itself, whichever comes first")
    func heard() {
        let beats = NodeBeats()
        var (lease, node) = (KubeObject(.leases, namespace: "kube-node-lease", name: "a"), ready())
        #expect(beats.seen("a", lease: nil, node: node, now: now) == nil)
        lease["spec", "renewTime"] = "2026-01-01T00:00:00.000000Z"
        #expect(beats.seen("a", lease: lease, node: node, now: now) == now)
        #expect(beats.seen("a", lease: lease, node: node, now: now + .seconds(60)) == now)
        // Its lease of now is still on its way.
        node["status", "conditions"] = [
            ["type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:01:00Z"]
        ]
        #expect(beats.seen("a", lease: lease, node: node, now: now + .seconds(61)) == now + .seconds(61))
        lease["spec", "renewTime"] = "2026-01-01T00:01:00.000000Z"
        #expect(beats.seen("a", lease: lease, node: node, now: now + .seconds(62)) == now + .seconds(62))
        beats.forget("a")
        #expect(beats.seen("a", lease: nil, node: ready(), now: now) == nil)
    }

    @Test("A node that says it isn't ready, and one that is cordoned, get their taints beside those of people")
    func otherTaints() {
        var node = ready("False")
        node["spec"] = ["unschedulable": true, "taints": [["key": "mine", "effect": "NoSchedule"]]]
        let taints = NodePlan(node: node, seen: now, grace: .seconds(50), now: now).taints
        #expect(taints?.map(\.key) == ["mine", Taint.notReady, Taint.notReady, Taint.unschedulable])
    }

    @Test("Pods leave a tainted node when their tolerations say so")
    func eviction() {
        var node = ready()
        node["spec", "taints"] = [
            Taint(key: Taint.unreachable, effect: .noExecute, added: now).json,
            Taint(key: Taint.unreachable, effect: .noSchedule, added: now).json,
        ]
        func plan(_ tolerations: JSONValue, at seconds: Int = 0) -> EvictionPlan {
            let pod = SchedulingTests.pod("p", on: "a", spec: ["tolerations": tolerations])
            return EvictionPlan(pod: pod, node: node, now: now + .seconds(seconds))
        }
        let borne: JSONValue = [
            [
                "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": 300,
            ]
        ]
        #expect(plan([]) == .evict)
        #expect(plan(borne) == .wait(until: now + .seconds(300)))
        #expect(plan(borne, at: 300) == .evict)
        #expect(plan([["operator": "Exists"]], at: 1000) == .keep)
        var leaving = SchedulingTests.pod("p", on: "a")
        leaving["metadata", "deletionTimestamp"] = "2026-01-01T00:00:00Z"
        #expect(EvictionPlan(pod: leaving, node: node, now: now) == .keep)
        #expect(EvictionPlan(pod: leaving, node: nil, now: now) == .remove(reason: "PodGC: node no longer exists"))
        node["status", "conditions"] = [["type": "Ready", "status": "Unknown"]]
        node["spec", "taints"] = [["key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"]]
        #expect(EvictionPlan(pod: leaving, node: node, now: now) == .remove(reason: "PodGC: node is out of service"))
    }

    @Test("The pods of a node without power are replaced on another, and end once it is back", .timeLimit(.minutes(5)))
    func powerLoss() async throws {
        let cluster = TestCluster { configuration in
            configuration.nodeCount = 2
            configuration.nodeRenewal = .milliseconds(100)
            // A busy machine may make a node seem lost for a moment; only what lasts evicts.
            configuration.nodeGrace = .seconds(4)
        }
        try await cluster.run { client in
            try await until("both nodes are ready") {
                try await client.list(.nodes).items.count { $0.isConditionTrue("Ready") } == 2
            }
            var deployment = WorkloadPlanTests.deployment(replicas: 2, image: "sh")
            deployment["metadata", "namespace"] = "default"
            deployment["spec", "template", "spec"] = [
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    ["name": "main", "image": "sh", "args": ["-c", "echo $$$$; while :; do sleep 0.1; done"]]
                ],
                "tolerations": [
                    [
                        "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                        "tolerationSeconds": 6,
                    ]
                ],
            ]
            try await client.create(.deployments, deployment)
            func pods() async throws -> [KubeObject] { try await client.list(.pods, namespace: "default").items }
            try await until("each node runs one pod") {
                let pods = try await pods()
                return pods.allSatisfy(\.isPodReady) && Set(pods.compactMap(\.nodeName)) == ["local-1", "local-2"]
            }
            let victim = try #require(try await pods().first { $0.nodeName == "local-2" })
            var process = 0
            try await until("it says its number") {
                process = Int(try await client.log(victim.name).split(separator: "\n").first ?? "") ?? 0
                return process > 0
            }
            let node = ObjectKey(namespace: nil, name: "local-2")
            func power(_ value: JSONValue) async throws {
                let patch: JSONValue = ["metadata": ["annotations": ["local.modelfleet.dev/power": value]]]
                try await client.patch(.nodes, node, .merge(patch))
            }
            try await power("off")
            try await until("its processes have ended") { !isAlive(process) }
            try await until("the node is lost") {
                try await client.get(.nodes, node).condition("Ready")?["status"] == "Unknown"
            }
            try await until("the pod is replaced on the other node") {
                try await pods().filter { $0.nodeName == "local-1" && $0.isPodReady }.count == 2
            }
            let lost = try await client.get(.pods, victim.key)
            #expect(lost.isBeingDeleted && !lost.isPodReady, "nothing can end it while its node is off")
            #expect(lost.condition("DisruptionTarget")?["reason"] == "DeletionByTaintManager")
            try await power(.null)
            try await until("the node is back") {
                let node = try await client.get(.nodes, node)
                return node.isConditionTrue("Ready") && Taint.all(of: node).isEmpty
            }
            try await until("the lost pod is gone") { try await client.find(.pods, victim.key) == nil }
        }
    }

    @Test("A node that was off for a moment starts its pods again and counts it", .timeLimit(.minutes(5)))
    func powerCycle() async throws {
        try await TestCluster().run { client in
            let pod = try await client.create(
                .pods,
                TestCluster.pod("p", ["main": "echo up; while :; do sleep 0.1; done"], grace: 1)
            )
            try await client.untilReady(pod)
            let node = ObjectKey(namespace: nil, name: "local")
            for value in ["off", JSONValue.null] {
                let patch: JSONValue = ["metadata": ["annotations": ["local.modelfleet.dev/power": value]]]
                try await client.patch(.nodes, node, .merge(patch))
            }
            try await until("the container runs a second time") {
                let status = try await client.get(.pods, pod.key)["status", "containerStatuses"]?[0]
                return status?["restartCount"]?.int == 1 && status?["ready"]?.bool == true
                    && status?.at("lastState", "terminated", "exitCode")?.int == 255
            }
        }
    }

    @Test("The pods of a Node that is deleted are removed", .timeLimit(.minutes(5)))
    func deletedNode() async throws {
        try await TestCluster().run { client in
            var pod = TestCluster.pod("p", ["main": "exit"])
            pod["spec", "nodeName"] = "nowhere"
            pod = try await client.create(.pods, pod)
            try await until("it is gone") { try await client.find(.pods, pod.key) == nil }
        }
    }
}
