// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import LocalCluster

@Suite("The life of a pod, without I/O")
struct PodLifecycleTests {
    private let start = WallTime(nanoseconds: 1_767_225_600_000_000_000)

    private func life(_ container: JSONValue = .emptyObject, policy: String = "Always") -> PodLifecycle {
        var container = container
        container["name"] = "main"
        container["image"] = "demo"
        var pod = KubeObject(.pods, namespace: "shop", name: "web")
        pod["spec"] = ["containers": [container], "restartPolicy": .string(policy)]
        return PodLifecycle(
            pod: pod,
            backoff: Backoff(initial: .seconds(10), maximum: .seconds(300), factor: 2, jitter: 0),
            random: SeededRandom(seed: 1)
        )
    }

    @Test("A container that keeps ending is restarted at once, then after 10 s, 20 s, …, 300 s")
    func crashLoop() {
        var life = life()
        var now = start
        var waits: [Double] = []
        _ = life.handle(.begin, now: now)
        for instance in 0..<9 {
            _ = life.handle(.started(container: "main", instance: instance), now: now)
            let actions = life.handle(
                .exited(container: "main", instance: instance, .code(1), message: ""),
                now: now
            )
            if actions.contains(.start(container: "main", instance: instance + 1)) {
                waits.append(0)
                continue
            }
            guard let next = life.nextDeadline else {
                Issue.record("nothing restarts the container")
                return
            }
            waits.append((next - now).inSeconds)
            now = next
            #expect(life.handle(.timePassed, now: now) == [.start(container: "main", instance: instance + 1)])
        }
        #expect(waits == [0, 10, 20, 40, 80, 160, 300, 300, 300])
    }

    @Test("A pod that never restarts ends as Succeeded or Failed", arguments: [(0, "Succeeded"), (3, "Failed")])
    func neverRestarts(code: Int, phase: String) {
        var life = life(policy: "Never")
        #expect(life.handle(.begin, now: start) == [.start(container: "main", instance: 0)])
        #expect(life.phase == "Pending")
        _ = life.handle(.started(container: "main", instance: 0), now: start)
        #expect(life.phase == "Running")
        _ = life.handle(.exited(container: "main", instance: 0, .code(code), message: ""), now: start)
        #expect(life.phase == phase)
    }

    @Test("The readiness probe decides about readiness; three failures in a row take it away")
    func readiness() {
        var life = life(["readinessProbe": ["periodSeconds": 1, "httpGet": ["port": 80]]])
        _ = life.handle(.begin, now: start)
        var now = start
        let actions = life.handle(.started(container: "main", instance: 0), now: now)
        #expect(actions.contains(.probe(container: "main", instance: 0, .readiness)))
        #expect(life.containers.first?.isReady == false)
        for (passed, wanted) in [(true, true), (false, true), (false, true), (false, false), (true, true)] {
            _ = life.handle(
                .probed(container: "main", instance: 0, .readiness, passed: passed, message: "no"),
                now: now
            )
            #expect(life.containers.first?.isReady == wanted)
            now = now + .seconds(1)
            #expect(
                life.handle(.timePassed, now: now).contains(.probe(container: "main", instance: 0, .readiness))
            )
        }
    }

    @Test("A deletion asks politely, kills after the grace, and lets the pod go once all has ended")
    func deletion() {
        var life = life()
        _ = life.handle(.begin, now: start)
        _ = life.handle(.started(container: "main", instance: 0), now: start)
        let asked = life.handle(.delete(grace: 5), now: start)
        #expect(asked.contains(.signal(container: "main", instance: 0, .terminate)))
        #expect(life.nextDeadline == start + .seconds(5))
        let late = start + .seconds(5)
        #expect(life.handle(.timePassed, now: late) == [.signal(container: "main", instance: 0, .kill)])
        let last = life.handle(.exited(container: "main", instance: 0, .signal(9), message: ""), now: late)
        #expect(last == [.finished])
    }

    @Test("An image that isn't in the table waits as ErrImagePull, then as ImagePullBackOff")
    func missingImage() {
        var life = life()
        _ = life.handle(.begin, now: start)
        let failure = StartFailure(kind: .image, message: "only demo")
        func event(_ isWarning: Bool, _ reason: String, _ message: String) -> PodAction {
            .event(isWarning: isWarning, reason: reason, message: message, field: "spec.containers{main}")
        }
        #expect(
            life.handle(.failed(container: "main", instance: 0, failure), now: start)
                == [event(true, "Failed", "only demo"), event(true, "Failed", "Error: ErrImagePull")]
        )
        let pod = KubeObject(.pods, namespace: "shop", name: "web")
        let reason = { (status: JSONValue) in
            status["containerStatuses"]?[0]?.at("state", "waiting", "reason")?.string
        }
        #expect(reason(life.status(of: pod, address: nil, now: start)) == "ErrImagePull")
        let later = start + .seconds(10)
        #expect(life.handle(.timePassed, now: later) == [.start(container: "main", instance: 1)])
        let backOff = "Back-off pulling image \"demo\""
        #expect(
            life.handle(.failed(container: "main", instance: 1, failure), now: later)
                == [event(false, "BackOff", backOff), event(true, "Failed", "Error: ImagePullBackOff")]
        )
        let status = life.status(of: pod, address: nil, now: later)
        #expect(reason(status) == "ImagePullBackOff")
        let message = status["containerStatuses"]?[0]?.at("state", "waiting", "message")?.string
        #expect(message == backOff + ": ErrImagePull: only demo")
        #expect(life.phase == "Pending")
    }

    @Test("A pod stays ready to start containers while they crash, until all has ended")
    func readyToStart() {
        let pod = KubeObject(.pods, namespace: "shop", name: "web")
        func isReady(_ life: inout PodLifecycle, address: String? = "127.64.0.1") -> Bool {
            let conditions = life.status(of: pod, address: address, now: start)["conditions"]?.array ?? []
            return conditions.first { $0["type"] == "PodReadyToStartContainers" }?["status"] == "True"
        }
        for (policy, wanted) in [("Always", true), ("Never", false)] {
            var life = life(policy: policy)
            _ = life.handle(.begin, now: start)
            #expect(!isReady(&life, address: nil))
            #expect(isReady(&life))
            _ = life.handle(.started(container: "main", instance: 0), now: start)
            _ = life.handle(.exited(container: "main", instance: 0, .code(1), message: ""), now: start)
            #expect(isReady(&life) == wanted)
        }
        var unmounted = life()
        _ = unmounted.handle(.begin, now: start)
        let failure = StartFailure(kind: .mount, message: "no such volume")
        _ = unmounted.handle(.failed(container: "main", instance: 0, failure), now: start)
        #expect(!isReady(&unmounted))
    }

    @Test("A crash loop names its wait and its pod as the kubelet does")
    func crashLoopMessage() {
        var life = life()
        _ = life.handle(.begin, now: start)
        for instance in 0..<2 {
            _ = life.handle(.started(container: "main", instance: instance), now: start)
            _ = life.handle(.exited(container: "main", instance: instance, .signal(11), message: ""), now: start)
        }
        let pod = KubeObject(.pods, namespace: "shop", name: "web")
        let status = life.status(of: pod, address: nil, now: start)["containerStatuses"]?[0]
        #expect(status?.at("state", "waiting", "reason") == "CrashLoopBackOff")
        #expect(
            status?.at("state", "waiting", "message")
                == "back-off 10s restarting failed container=main pod=web_shop()"
        )
        #expect(status?.at("lastState", "terminated", "exitCode") == 139)
        #expect(PodLifecycle.text(.seconds(80)) == "1m20s" && PodLifecycle.text(.seconds(300)) == "5m0s")
    }

    @Test("A pod that is active for too long is stopped and fails")
    func activeDeadline() {
        var pod = KubeObject(.pods, namespace: "shop", name: "web")
        pod["spec"] = [
            "activeDeadlineSeconds": 60, "terminationGracePeriodSeconds": 5,
            "containers": [["name": "main", "image": "demo"]],
        ]
        var life = PodLifecycle(pod: pod, backoff: Backoff(), random: SeededRandom(seed: 1))
        _ = life.handle(.begin, now: start)
        _ = life.handle(.started(container: "main", instance: 0), now: start)
        #expect(life.nextDeadline == start + .seconds(60))
        let late = start + .seconds(60)
        let actions = life.handle(.timePassed, now: late)
        #expect(actions.contains(.signal(container: "main", instance: 0, .terminate)))
        #expect(life.phase == "Running")
        #expect(life.handle(.timePassed, now: late + .seconds(5)) == [.signal(container: "main", instance: 0, .kill)])
        #expect(life.handle(.exited(container: "main", instance: 0, .signal(9), message: ""), now: late) == [])
        #expect(life.phase == "Failed")
        let status = life.status(of: pod, address: nil, now: late)
        #expect(status["reason"] == "DeadlineExceeded")
        #expect(life.nextDeadline == nil)
    }

    @Test("A container runs once its postStart hook has; one that fails gets it restarted")
    func postStart() {
        var life = life(["lifecycle": ["postStart": ["exec": ["command": ["x"]]]]])
        _ = life.handle(.begin, now: start)
        let actions = life.handle(.started(container: "main", instance: 0), now: start)
        #expect(actions.last == .runPostStart(container: "main", instance: 0))
        #expect(life.phase == "Pending")
        _ = life.handle(.postStarted(container: "main", instance: 0, wrong: nil), now: start)
        #expect(life.phase == "Running" && life.containers[0].isReady)
        _ = life.handle(.exited(container: "main", instance: 0, .code(0), message: ""), now: start)
        _ = life.handle(.started(container: "main", instance: 1), now: start)
        let failed = life.handle(.postStarted(container: "main", instance: 1, wrong: "no"), now: start)
        #expect(failed.contains(.signal(container: "main", instance: 1, .terminate)))
        let event = PodAction.event(
            isWarning: true,
            reason: "FailedPostStartHook",
            message: "PostStartHook failed: no",
            field: "spec.containers{main}"
        )
        #expect(failed.contains(event))
    }

    @Test("A deletion doesn't wait for a postStart hook")
    func deletionDuringPostStart() {
        var life = life(["lifecycle": ["postStart": ["exec": ["command": ["x"]]]]])
        _ = life.handle(.begin, now: start)
        _ = life.handle(.started(container: "main", instance: 0), now: start)
        let actions = life.handle(.delete(grace: 3), now: start)
        #expect(actions.contains(.signal(container: "main", instance: 0, .terminate)))
        _ = life.handle(.postStarted(container: "main", instance: 0, wrong: "late"), now: start)
        let last = life.handle(.exited(container: "main", instance: 0, .signal(15), message: ""), now: start)
        #expect(last == [.finished])
    }

    @Test("Sidecars end with the pod they serve")
    func sidecars() {
        var pod = KubeObject(.pods, namespace: "shop", name: "web")
        pod["spec"] = [
            "restartPolicy": "Never", "containers": [["name": "main", "image": "demo"]],
            "initContainers": [["name": "side", "image": "demo", "restartPolicy": "Always"]],
        ]
        var life = PodLifecycle(pod: pod, backoff: Backoff(), random: SeededRandom(seed: 1))
        #expect(life.handle(.begin, now: start) == [.start(container: "side", instance: 0)])
        #expect(
            life.handle(.started(container: "side", instance: 0), now: start).last
                == .start(container: "main", instance: 0)
        )
        _ = life.handle(.started(container: "main", instance: 0), now: start)
        let actions = life.handle(.exited(container: "main", instance: 0, .code(0), message: ""), now: start)
        #expect(actions.contains(.signal(container: "side", instance: 0, .terminate)))
        #expect(life.handle(.exited(container: "side", instance: 0, .code(0), message: ""), now: start) == [])
        #expect(life.phase == "Succeeded" && life.nextDeadline == nil)
    }
}
