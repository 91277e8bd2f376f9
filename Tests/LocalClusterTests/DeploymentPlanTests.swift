// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import LocalCluster

/// A Deployment with its replica sets in memory, stepped by the controller's pure parts. Pods of an image that begins
/// with
/// `bad` never get available; all others are so at once.
private struct Rehearsal {
    var deployment: KubeObject
    var sets: [KubeObject] = []
    var now = WallTime(nanoseconds: 1_767_225_600_000_000_000)
    var most = 0
    var fewest = Int.max

    init(replicas: Int, image: String, spec: JSONValue = .emptyObject) {
        deployment = KubeObject(.deployments, namespace: "shop", name: "web")
        deployment["metadata", "uid"] = "d"
        deployment["metadata", "generation"] = 1
        deployment["spec"] = [
            "replicas": JSONValue(replicas), "selector": ["matchLabels": ["app": "web"]], "template": .emptyObject,
        ]
        for (member, value) in spec.object ?? JSONObject() { deployment["spec", member] = value }
        setImage(image)
    }

    mutating func setImage(_ image: String) {
        deployment["spec", "template"] = [
            "metadata": ["labels": ["app": "web"]],
            "spec": ["containers": [["name": "main", "image": .string(image)]]],
        ]
        edited()
    }

    mutating func scale(_ replicas: Int) {
        deployment["spec", "replicas"] = JSONValue(replicas)
        edited()
    }

    mutating func pause(_ isPaused: Bool) {
        deployment["spec", "paused"] = isPaused ? true : nil
        edited()
    }

    private mutating func edited() {
        deployment["metadata", "generation"] = .integer((deployment.generation ?? 0) + 1)
    }

    /// One reconcile; whether it changed anything.
    mutating func step() -> Bool {
        let before = (deployment, sets)
        let plan = DeploymentPlan(deployment: deployment, replicaSets: sets)
        var seen = DeploymentObservation(
            deployment: deployment,
            mode: plan.mode,
            current: plan.current,
            replicaSets: sets
        )
        for action in plan.actions {
            switch action {
            case .create(var set):
                set["metadata", "uid"] = .string(set.name)
                set["metadata", "creationTimestamp"] = .string((now + .seconds(sets.count)).rfc3339)
                sets.append(set)
                seen.current = set
                seen.isNew = true
            case .update(let set, _): sets = sets.map { $0.name == set.name ? set : $0 }
            case .delete(let set): sets.removeAll { $0.name == set.name }
            }
        }
        deployment["status"] = DeploymentStatus(seen, now: now).json
        if let revision = plan.revision {
            deployment.annotations[DeploymentWords.revision] = String(revision)
        }
        most = max(most, sets.reduce(0) { $0 + $1.wantedReplicas })
        fewest = min(fewest, sets.reduce(0) { $0 + min($1.wantedReplicas, $1.statusCount("availableReplicas")) })
        return before.0 != deployment || before.1 != sets
    }

    /// The replica sets' pods follow.
    mutating func settlePods() {
        sets = sets.map { set in
            var set = set
            let count = set.wantedReplicas
            set["status"] = ["replicas": JSONValue(count), "observedGeneration": .integer(set.generation ?? 0)]
            if count > 0, !Self.image(set).hasPrefix("bad") {
                set["status", "readyReplicas"] = JSONValue(count)
                set["status", "availableReplicas"] = JSONValue(count)
            }
            return set
        }
    }

    /// Steps until nothing changes, with pods that follow after each step or, `slowly`, only after each rest.
    mutating func settle(slowly: Bool = false) {
        for _ in 0..<200 {
            var changed = false
            if slowly { while step() { changed = true } } else { changed = step() }
            let before = sets
            settlePods()
            if !changed && before == sets { return }
        }
        Issue.record("it doesn't come to rest")
    }

    static func image(_ set: KubeObject) -> String {
        set["spec", "template", "spec", "containers"]?[0]?["image"]?.string ?? ""
    }

    func count(_ image: String) -> Int? { sets.first { Self.image($0) == image }?.wantedReplicas }
    func revision(_ image: String) -> Int64? { sets.first { Self.image($0) == image }?.revisionNumber }
    func reason(_ type: String) -> String? { deployment.condition(type)?["reason"]?.string }
}

/// What is expected here was first seen of kube-controller-manager 1.36, with the same steps.
@Suite("A Deployment, as Kubernetes rolls it")
struct DeploymentPlanTests {
    private static let rolling: JSONValue = [
        "strategy": ["type": "RollingUpdate", "rollingUpdate": ["maxSurge": 3, "maxUnavailable": 2]]
    ]

    @Test("A rollout stays within its limits however late the pods' counts arrive", arguments: [false, true])
    func limits(slowly: Bool) {
        for replicas in 0...6 {
            for surge in 0...3 {
                for unavailable in 0...3 {
                    let strategy: JSONValue = [
                        "rollingUpdate": ["maxSurge": JSONValue(surge), "maxUnavailable": JSONValue(unavailable)]
                    ]
                    var rehearsal = Rehearsal(replicas: replicas, image: "a", spec: ["strategy": strategy])
                    rehearsal.settle()
                    (rehearsal.most, rehearsal.fewest) = (0, .max)
                    rehearsal.setImage("b")
                    rehearsal.settle(slowly: slowly)
                    #expect(rehearsal.count("b") == replicas && rehearsal.count("a") == 0)
                    #expect(rehearsal.most <= replicas + surge || surge == 0 && unavailable == 0)
                    #expect(rehearsal.fewest >= replicas - max(unavailable, surge == 0 ? 1 : 0))
                    #expect(rehearsal.reason("Progressing") == "NewReplicaSetAvailable")
                }
            }
        }
    }

    @Test("A stuck rollout shares a changed count in proportion, also while it is paused")
    func proportion() {
        var rehearsal = Rehearsal(replicas: 10, image: "good", spec: Self.rolling)
        rehearsal.settle()
        rehearsal.setImage("bad")
        rehearsal.settle()
        func counts() -> [Int?] { [rehearsal.count("bad"), rehearsal.count("good")] }
        #expect(counts() == [5, 8])
        rehearsal.scale(15)
        rehearsal.settle()
        #expect(counts() == [7, 11])
        rehearsal.scale(5)
        // The replica sets' statuses still count the pods that they are to lose.
        rehearsal.settle(slowly: true)
        #expect(counts() == [5, 3])
        rehearsal.pause(true)
        rehearsal.settle()
        #expect(counts() == [5, 3] && rehearsal.reason("Progressing") == "DeploymentPaused")
        rehearsal.scale(12)
        rehearsal.settle()
        #expect(counts() == [9, 6])
        rehearsal.scale(0)
        rehearsal.settle()
        #expect(counts() == [0, 0])
        rehearsal.scale(3)
        rehearsal.settle()
        #expect(counts() == [3, 0])
        rehearsal.pause(false)
        rehearsal.settle()
        #expect(rehearsal.reason("Progressing") == "DeploymentResumed")
    }

    @Test("A rollout without progress is called late after its deadline, and a pause doesn't hide it")
    func deadline() throws {
        var rehearsal = Rehearsal(replicas: 2, image: "good", spec: ["progressDeadlineSeconds": 30])
        rehearsal.settle()
        rehearsal.setImage("bad")
        rehearsal.settle()
        #expect(rehearsal.reason("Progressing") == "ReplicaSetUpdated")
        let waiting = DeploymentStatus(
            DeploymentObservation(
                deployment: rehearsal.deployment,
                mode: .rolling,
                current: rehearsal.sets.last,
                replicaSets: rehearsal.sets
            ),
            now: rehearsal.now
        )
        #expect(waiting.requeue == .seconds(31))
        rehearsal.now = rehearsal.now + .seconds(31)
        rehearsal.settle()
        #expect(rehearsal.reason("Progressing") == "ProgressDeadlineExceeded")
        #expect(rehearsal.deployment.condition("Progressing")?["status"] == "False")
        let message = try #require(rehearsal.deployment.condition("Progressing")?["message"]?.string)
        #expect(message.hasPrefix("ReplicaSet \"web-") && message.hasSuffix("\" has timed out progressing."))
        rehearsal.pause(true)
        rehearsal.settle()
        #expect(rehearsal.reason("Progressing") == "ProgressDeadlineExceeded")
        rehearsal.pause(false)
        rehearsal.setImage("good")
        rehearsal.settle()
        #expect(rehearsal.reason("Progressing") == "NewReplicaSetAvailable")
    }

    @Test("A rollback to a revision that is stuck is called late too")
    func stuckRollback() {
        var rehearsal = Rehearsal(replicas: 1, image: "bad", spec: ["progressDeadlineSeconds": 30])
        rehearsal.settle()
        rehearsal.setImage("good")
        rehearsal.settle()
        rehearsal.setImage("bad")
        rehearsal.settle()
        rehearsal.now = rehearsal.now + .seconds(31)
        rehearsal.settle()
        #expect(rehearsal.reason("Progressing") == "ProgressDeadlineExceeded")
    }

    @Test("Going back gives the old replica set a new number and keeps the earlier ones")
    func history() {
        var rehearsal = Rehearsal(replicas: 1, image: "a")
        rehearsal.deployment.annotations["kubernetes.io/change-cause"] = "first"
        for image in ["a", "b", "a", "b", "a"] {
            rehearsal.setImage(image)
            rehearsal.settle()
        }
        #expect(rehearsal.revision("a") == 5 && rehearsal.revision("b") == 4)
        #expect(rehearsal.deployment.revisionNumber == 5)
        let oldest = rehearsal.sets.first { Rehearsal.image($0) == "a" }?.annotations
        #expect(oldest?[DeploymentWords.history] == "1,3")
        #expect(oldest?["kubernetes.io/change-cause"] == "first")
    }

    @Test("The list of earlier numbers loses its oldest beyond 2000 characters")
    func longHistory() {
        var set = WorkloadPlanTests.set(replicas: 0)
        set.annotations = [
            DeploymentWords.revision: "100000",
            DeploymentWords.history: (1000..<1400).map(String.init).joined(separator: ","),
        ]
        let deployment = WorkloadPlanTests.deployment(replicas: 1, image: "a")
        let list = RevisionAnnotations.updated(set, of: deployment, revision: 100_001)[DeploymentWords.history] ?? ""
        #expect(list.utf8.count <= 2000 && list.hasSuffix(",1399,100000") && list.hasPrefix("1002,"))
    }

    @Test("Old replica sets beyond the limit go, oldest first, once the rollout is complete")
    func cleanUp() {
        var rehearsal = Rehearsal(replicas: 1, image: "1", spec: ["revisionHistoryLimit": 2])
        for number in 1...6 {
            rehearsal.setImage(String(number))
            rehearsal.settle()
        }
        #expect(Set(rehearsal.sets.map(Rehearsal.image)) == ["4", "5", "6"])
        rehearsal.deployment["spec", "revisionHistoryLimit"] = 0
        rehearsal.setImage("6")
        rehearsal.settle()
        #expect(rehearsal.sets.map(Rehearsal.image) == ["6"])
    }

    @Test("Recreate takes all old pods down before the first new one, and waits for those that are still ending")
    func recreate() {
        var rehearsal = Rehearsal(replicas: 3, image: "a", spec: ["strategy": ["type": "Recreate"]])
        rehearsal.settle()
        rehearsal.setImage("b")
        (rehearsal.most, rehearsal.fewest) = (0, .max)
        rehearsal.settle()
        #expect(rehearsal.count("a") == 0 && rehearsal.count("b") == 3)
        #expect(rehearsal.most == 3 && rehearsal.fewest == 0)
        rehearsal.setImage("c")
        rehearsal.sets = rehearsal.sets.map { set in
            var set = set
            set["spec", "replicas"] = 0
            set["status"] = ["replicas": 0]
            return set
        }
        let waiting = DeploymentPlan(deployment: rehearsal.deployment, replicaSets: rehearsal.sets, occupied: true)
        #expect(waiting.actions.isEmpty)
    }

    @Test("A Deployment that is paused from its birth makes no replica set until it is resumed")
    func bornPaused() {
        var rehearsal = Rehearsal(replicas: 2, image: "a", spec: ["paused": true])
        rehearsal.settle()
        #expect(rehearsal.sets.isEmpty)
        let conditions = rehearsal.deployment["status", "conditions"]?.array ?? []
        #expect(conditions.map { $0["type"] } == ["Progressing", "Available"])
        rehearsal.pause(false)
        rehearsal.settle()
        #expect(rehearsal.count("a") == 2)
    }

    @Test("Why a replica set can't make pods becomes the Deployment's condition, and goes with its cause")
    func replicaFailure() {
        var rehearsal = Rehearsal(replicas: 2, image: "a")
        rehearsal.settle()
        let failure: JSONValue = [
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota",
        ]
        rehearsal.sets[0]["status", "conditions"] = [failure]
        _ = rehearsal.step()
        #expect(rehearsal.deployment.condition("ReplicaFailure")?["message"] == "quota")
        rehearsal.sets[0]["status", "conditions"] = nil
        _ = rehearsal.step()
        #expect(rehearsal.deployment.condition("ReplicaFailure") == nil)
    }

    @Test("A name that belongs to another template is counted as a collision and leads to another name")
    func collision() {
        var rehearsal = Rehearsal(replicas: 1, image: "a")
        guard case .create(let first)? = DeploymentPlan(deployment: rehearsal.deployment, replicaSets: []).actions.first
        else {
            Issue.record("no replica set is created")
            return
        }
        rehearsal.deployment["status"] = ["collisionCount": 1]
        let plan = DeploymentPlan(deployment: rehearsal.deployment, replicaSets: [])
        guard case .create(let second)? = plan.actions.first else { return }
        #expect(first.name != second.name && first.plainTemplate == second.plainTemplate)
    }

    @Test("Of two ready pods the one beside more of its kind is deleted first")
    func spread() {
        let now = WallTime(nanoseconds: 1_767_225_600_000_000_000)
        let pods = [("a", "one"), ("b", "two"), ("c", "two")].map { name, node in
            var pod = WorkloadPlanTests.pod(name, ready: true)
            pod["spec", "nodeName"] = .string(node)
            return pod
        }
        let plan = ReplicaSetPlan(set: WorkloadPlanTests.set(replicas: 2), pods: pods, now: now)
        #expect(plan.deletions.map(\.name) == ["b"])
    }
}
