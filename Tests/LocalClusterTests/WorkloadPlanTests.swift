// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import LocalCluster

@Suite("What the workload controllers decide")
struct WorkloadPlanTests {
    private let now = WallTime(nanoseconds: 1_767_225_600_000_000_000)

    @Test(
        "maxSurge rounds up, maxUnavailable rounds down",
        arguments: [
            (4, "25%", "25%", 1, 1), (3, "25%", "25%", 1, 0), (1, "25%", "25%", 1, 0), (10, "0", "0", 0, 1),
            (5, "100%", "50%", 5, 2),
        ]
    )
    func rollingLimits(replicas: Int, surge: String, unavailable: String, wantedSurge: Int, wantedUnavailable: Int) {
        var deployment = Self.deployment(replicas: replicas, image: "a")
        deployment["spec", "strategy"] = [
            "rollingUpdate": ["maxSurge": .string(surge), "maxUnavailable": .string(unavailable)]
        ]
        let limits = RollingLimits(deployment: deployment, replicas: replicas)
        #expect(limits.surge == wantedSurge && limits.unavailable == wantedUnavailable)
    }

    @Test("The largest revision number has no successor, and an absurd one crashes nothing")
    func largestRevision() throws {
        var old = Self.set(replicas: 0)
        old.annotations[DeploymentWords.revision] = String(Int64.max)
        let plan = DeploymentPlan(deployment: Self.deployment(replicas: 1, image: "a"), replicaSets: [old])
        guard case .create(let set)? = plan.actions.first else {
            Issue.record("no replica set is created")
            return
        }
        #expect(set.annotations[DeploymentWords.revision] == String(Int64.max))
    }

    @Test("minReadySeconds that is taken away from a Deployment is taken away from its replica set")
    func removedMinimum() throws {
        var deployment = Self.deployment(replicas: 1, image: "a")
        deployment["spec", "minReadySeconds"] = 30
        guard case .create(let set)? = DeploymentPlan(deployment: deployment, replicaSets: []).actions.first else {
            Issue.record("no replica set is created")
            return
        }
        #expect(set["spec", "minReadySeconds"] == 30)
        deployment["spec", "minReadySeconds"] = nil
        let plan = DeploymentPlan(deployment: deployment, replicaSets: [set])
        guard case .update(let updated, from: nil)? = plan.actions.first else {
            Issue.record("the replica set isn't updated")
            return
        }
        #expect(updated["spec", "minReadySeconds"] == nil)
        #expect(DeploymentPlan(deployment: deployment, replicaSets: [updated]).actions.isEmpty)
    }

    @Test("Of two pods the one goes that has more pods of the sets of the same owner on its node")
    func crowdedNode() {
        var pods = [Self.pod("a", ready: true), Self.pod("b", ready: true)]
        pods[1]["spec", "nodeName"] = "other"
        var sibling = Self.pod("c", ready: true)
        sibling["spec", "nodeName"] = "other"
        let set = Self.set(replicas: 1)
        #expect(ReplicaSetPlan(set: set, pods: pods, now: now).deletions.map(\.name) == ["a"])
        let plan = ReplicaSetPlan(set: set, pods: pods, related: pods + [sibling], now: now)
        #expect(plan.deletions.map(\.name) == ["b"])
    }

    @Test("A time before all clocks is long ago, not a crash")
    func ancientPod() {
        var pods = [Self.pod("a", ready: true), Self.pod("b", ready: true)]
        for index in pods.indices { pods[index]["metadata", "creationTimestamp"] = "1700-01-01T00:00:00Z" }
        pods[0]["metadata", "creationTimestamp"] = "2025-12-31T23:59:59Z"
        #expect(ReplicaSetPlan(set: Self.set(replicas: 1), pods: pods, now: now).deletions.map(\.name) == ["a"])
    }

    @Test("A new Deployment gets a replica set with its whole count and revision 1")
    func firstReplicaSet() throws {
        let plan = DeploymentPlan(deployment: Self.deployment(replicas: 3, image: "a"), replicaSets: [])
        guard case .create(let set)? = plan.actions.first else {
            Issue.record("no replica set is created")
            return
        }
        #expect(set.wantedReplicas == 3)
        #expect(set.annotations[DeploymentWords.revision] == "1")
        #expect(set.ownerReferences.first?.uid == "d")
        #expect(set["spec", "selector", "matchLabels", DeploymentWords.hashLabel] != nil)
    }

    @Test("A rolling update never asks for fewer available pods, nor for more pods, than the limits allow")
    func rollingUpdate() {
        let first = DeploymentPlan(deployment: Self.deployment(replicas: 4, image: "a"), replicaSets: [])
        guard case .create(var old)? = first.actions.first else { return }
        old["status"] = ["replicas": 4, "availableReplicas": 4, "readyReplicas": 4]
        old["metadata", "uid"] = "old"
        var sets = [old]
        let deployment = Self.deployment(replicas: 4, image: "b")
        for _ in 0..<20 {
            let plan = DeploymentPlan(deployment: deployment, replicaSets: sets)
            for action in plan.actions {
                switch action {
                case .create(var set):
                    set["metadata", "uid"] = "new"
                    sets.append(set)
                case .update(let set, _): sets = sets.map { $0.name == set.name ? set : $0 }
                case .delete(let set): sets.removeAll { $0.name == set.name }
                }
            }
            #expect(sets.reduce(0) { $0 + $1.wantedReplicas } <= 5)
            // What a scale-down leaves is at once what is available; a scale-up becomes available afterwards.
            let available = sets.reduce(0) { $0 + min($1.wantedReplicas, $1.statusCount("availableReplicas")) }
            #expect(available >= 3)
            sets = sets.map { set in
                var set = set
                set["status"] = [
                    "replicas": JSONValue(set.wantedReplicas), "availableReplicas": JSONValue(set.wantedReplicas),
                ]
                return set
            }
        }
        #expect(sets.map(\.wantedReplicas).sorted() == [0, 4])
        #expect(sets.first { $0.wantedReplicas == 4 }?.revisionNumber == 2)
    }

    @Test("Scaling a Deployment at rest scales its replica set and makes no revision")
    func scaling() {
        let first = DeploymentPlan(deployment: Self.deployment(replicas: 2, image: "a"), replicaSets: [])
        guard case .create(let set)? = first.actions.first else { return }
        let plan = DeploymentPlan(deployment: Self.deployment(replicas: 5, image: "a"), replicaSets: [set])
        guard case .update(let scaled, from: 2)? = plan.actions.first else {
            Issue.record("the replica set isn't scaled")
            return
        }
        #expect(scaled.wantedReplicas == 5 && scaled.revisionNumber == 1 && plan.actions.count == 1)
    }

    @Test("A replica set counts pods that the cache doesn't show yet")
    func staleCache() {
        let set = Self.set(replicas: 3)
        #expect(ReplicaSetPlan(set: set, pods: [], now: now).creations == 3)
        #expect(ReplicaSetPlan(set: set, pods: [], unseen: 3, now: now).creations == 0)
        let pods = (0..<4).map { Self.pod("p\($0)", ready: true) }
        #expect(ReplicaSetPlan(set: set, pods: pods, doomed: ["p1"], now: now).deletions.isEmpty)
    }

    @Test("Pods that aren't ready are deleted first")
    func deletionOrder() {
        let pods = [Self.pod("a", ready: true), Self.pod("b", ready: false), Self.pod("c", ready: true)]
        let plan = ReplicaSetPlan(set: Self.set(replicas: 2), pods: pods, now: now)
        #expect(plan.deletions.map(\.name) == ["b"])
    }

    /// What each rule looks at, from the pod that goes first to the one that stays longest.
    private static let deletionRules: [(rule: String, members: [(path: [String], values: [JSONValue])])] = [
        ("no node", [(["spec", "nodeName"], ["", "local"])]),
        ("phase", [(["status", "phase"], ["Pending", "Unknown", "Running"])]),
        ("cost", [(["metadata", "annotations", DeletionRank.costAnnotation], ["-5", "0", "7", "12"])]),
        ("not a cost counts as 0", [(["metadata", "annotations", DeletionRank.costAnnotation], ["-1", "+9", "1"])]),
        (
            "leading zeros count as 0",
            [(["metadata", "annotations", DeletionRank.costAnnotation], ["-1", "008", "1"])]
        ),
        (
            "beyond int32 counts as 0",
            [(["metadata", "annotations", DeletionRank.costAnnotation], ["-1", "2147483648"])]
        ),
        ("ready for less", [(["status", "conditions"], [ready("23:59:58"), ready("23:59:00"), ready("20:00:00")])]),
        (
            "the uid within a power of two",
            [(["status", "conditions"], [ready("23:59:27"), ready("23:59:30"), ready("23:59:27")])]
        ),
        (
            "cost before readiness for less",
            [
                (["metadata", "annotations", DeletionRank.costAnnotation], ["1", "2"]),
                (["status", "conditions"], [ready("20:00:00"), ready("23:59:58")]),
            ]
        ),
        (
            "readiness before cost",
            [
                (["status", "conditions"], [[], ready("20:00:00")]),
                (["metadata", "annotations", DeletionRank.costAnnotation], ["9", "-9"]),
            ]
        ),
        ("restarts", [(["status", "containerStatuses"], [[["restartCount": 4]], [["restartCount": 1]], []])]),
        ("younger", [(["metadata", "creationTimestamp"], ["2025-12-31T23:59:58Z", "2025-12-31T20:00:00Z"])]),
    ]

    private static func ready(_ time: String) -> JSONValue {
        [["type": "Ready", "status": "True", "lastTransitionTime": .string("2025-12-31T\(time)Z")]]
    }

    @Test("A replica set lets go of pods in Kubernetes' order", arguments: 0..<12)
    func deletionRank(row: Int) {
        let (rule, members) = Self.deletionRules[row]
        let count = members.first?.values.count ?? 0
        let pods = (0..<count).map { index in
            var pod = Self.pod("\(index)", ready: true)
            for (path, values) in members { pod.json.set(values[index], path: path[...]) }
            return pod
        }
        for victims in 1..<count {
            let plan = ReplicaSetPlan(set: Self.set(replicas: count - victims), pods: pods.reversed(), now: now)
            #expect(plan.deletions.map(\.name) == (0..<victims).map { "\($0)" }, "\(rule)")
        }
    }

    @Test("Of two nodes, the one with more pods of the set loses one")
    func deletionSpreads() {
        var pods = ["a", "b", "c"].map { Self.pod($0, ready: true) }
        pods[0]["spec", "nodeName"] = "other"
        let plan = ReplicaSetPlan(set: Self.set(replicas: 2), pods: pods, now: now)
        #expect(plan.deletions.map(\.name) == ["b"])
    }

    @Test("A terminating pod leaves an endpoint slice's ready endpoints and stays as terminating")
    func endpoints() {
        var service = KubeObject(.services, namespace: "shop", name: "web")
        service["metadata", "uid"] = "s"
        service["spec"] = ["ports": [["name": "http", "port": 80, "targetPort": "web"]], "selector": ["app": "web"]]
        var leaving = Self.pod("b", ready: true)
        leaving["metadata", "deletionTimestamp"] = "2026-01-01T00:00:00Z"
        let slices = EndpointSlicePlan(service: service, pods: [Self.pod("a", ready: true), leaving]).slices
        #expect(slices.count == 1)
        #expect(slices.first?["ports"] == [["name": "http", "port": 8080, "protocol": "TCP"]])
        let conditions = slices.first?["endpoints"]?.array?.map { $0["conditions"] }
        #expect(
            conditions == [
                ["ready": true, "serving": true, "terminating": false],
                ["ready": false, "serving": true, "terminating": true],
            ]
        )
    }

    static func deployment(replicas: Int, image: String) -> KubeObject {
        var deployment = KubeObject(.deployments, namespace: "shop", name: "web")
        deployment["metadata", "uid"] = "d"
        deployment["spec"] = [
            "replicas": JSONValue(replicas), "selector": ["matchLabels": ["app": "web"]],
            "template": [
                "metadata": ["labels": ["app": "web"]],
                "spec": ["containers": [["name": "main", "image": .string(image)]]],
            ],
        ]
        return deployment
    }

    static func set(replicas: Int) -> KubeObject {
        var set = KubeObject(.replicaSets, namespace: "shop", name: "web-1")
        set["spec"] = ["replicas": JSONValue(replicas)]
        return set
    }

    static func pod(_ name: String, ready: Bool) -> KubeObject {
        var pod = KubeObject(.pods, namespace: "shop", name: name)
        pod["metadata", "uid"] = .string(name)
        pod["spec"] = [
            "nodeName": "local",
            "containers": [["name": "main", "ports": [["name": "web", "containerPort": 8080]]]],
        ]
        pod["status"] = [
            "phase": "Running", "podIP": "127.64.0.1",
            "conditions": [["type": "Ready", "status": ready ? "True" : "False"]],
        ]
        return pod
    }
}
