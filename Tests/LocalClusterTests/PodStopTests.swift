// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import LocalCluster

private let start = WallTime(nanoseconds: 1_767_225_600_000_000_000)

private func pod(_ spec: JSONValue) -> KubeObject {
    var pod = KubeObject(.pods, namespace: "shop", name: "web")
    pod["spec"] = ["containers": [["name": "main", "image": "demo"]]]
    for (member, value) in spec.object ?? JSONObject() { pod["spec", member] = value }
    return pod
}

@Suite("When the node looks at a pod again, and how it stops one")
struct PodStopTests {
    private static let side: JSONValue = ["name": "side", "image": "demo", "restartPolicy": "Always"]

    private static func life(_ spec: JSONValue) -> PodLifecycle {
        let backoff = Backoff(initial: .seconds(10), maximum: .seconds(300), factor: 2, jitter: 0)
        var life = PodLifecycle(pod: pod(spec), backoff: backoff, random: SeededRandom(seed: 1))
        _ = life.handle(.begin, now: start)
        return life
    }

    /// Plays a pod whose containers end with these codes as soon as they start, and answers every time at which it was
    /// looked at; the pod's own deadlines drive it for 40 rounds at most.
    private func looks(_ spec: JSONValue, ends codes: [String: Int]) -> [WallTime] {
        var life = Self.life(spec)
        var now = start
        var looks: [WallTime] = []
        var pending = life.handle(.timePassed, now: now)
        pending += life.containers.filter(\.isLive).map { .start(container: $0.name, instance: $0.instance) }
        while looks.count < 40 {
            while let action = pending.popLast() {
                guard case .start(let name, let instance) = action else { continue }
                pending += life.handle(.started(container: name, instance: instance), now: now)
                guard let code = codes[name] else { continue }
                pending += life.handle(
                    .exited(container: name, instance: instance, .code(code), message: ""),
                    now: now
                )
            }
            guard let next = life.nextDeadline else { break }
            looks.append(next)
            now = max(now, next)
            pending = life.handle(.timePassed, now: now)
        }
        return looks
    }

    @Test(
        "It is never woken for a container that nothing may start",
        arguments: [
            ("a deadline in a crash loop", ["activeDeadlineSeconds": 25], ["main": 1]),
            (
                "a sidecar's back-off after the end", ["restartPolicy": "Never", "initContainers": [side]],
                ["side": 1, "main": 0]
            ),
            ("both in a back-off", ["initContainers": [side]], ["side": 1, "main": 1]),
        ] as [(String, JSONValue, [String: Int])]
    )
    func deadlines(what: String, spec: JSONValue, codes: [String: Int]) {
        let looks = looks(spec, ends: codes)
        #expect(looks.first.map { $0 > start } ?? true, "\(what)")
        #expect(zip(looks, looks.dropFirst()).allSatisfy { $0 < $1 }, "\(what): \(looks.prefix(5))")
    }

    @Test("A sidecar that ends badly once its pod is over doesn't make it fail")
    func sidecarCode() {
        var life = Self.life(["restartPolicy": "Never", "initContainers": [Self.side]])
        _ = life.handle(.started(container: "side", instance: 0), now: start)
        _ = life.handle(.started(container: "main", instance: 0), now: start)
        _ = life.handle(.exited(container: "main", instance: 0, .code(0), message: ""), now: start)
        _ = life.handle(.exited(container: "side", instance: 0, .signal(15), message: ""), now: start)
        #expect(life.phase == "Succeeded")
    }

    @Test("A hook that uses up the grace leaves two seconds between the signal and the kill")
    func slowHook() {
        let hook: JSONValue = ["preStop": ["exec": ["command": ["x"]]]]
        var life = Self.life(["containers": [["name": "main", "image": "demo", "lifecycle": hook]]])
        _ = life.handle(.started(container: "main", instance: 0), now: start)
        let first = life.handle(.delete(grace: 5), now: start)
        #expect(first.contains(.runPreStop(container: "main", instance: 0)))
        #expect(!first.contains(.signal(container: "main", instance: 0, .terminate)))
        let late = start + .seconds(5)
        #expect(life.handle(.timePassed, now: late) == [.signal(container: "main", instance: 0, .terminate)])
        #expect(life.nextDeadline == late + .seconds(2))
        #expect(life.handle(.hookEnded(container: "main", instance: 0), now: late) == [], "it was asked already")
        #expect(
            life.handle(.timePassed, now: late + .seconds(2)) == [.signal(container: "main", instance: 0, .kill)]
        )
    }

    @Test("A deletion stops sidecars last, the latest first; one whose turn doesn't come is asked when the time is up")
    func order() {
        let other: JSONValue = ["name": "other", "image": "demo", "restartPolicy": "Always"]
        var life = Self.life(["initContainers": [Self.side, other]])
        for name in ["side", "other", "main"] { _ = life.handle(.started(container: name, instance: 0), now: start) }
        func signals(_ actions: [PodAction]) -> [String] {
            actions.compactMap { if case .signal(let name, _, .terminate) = $0 { name } else { nil } }
        }
        #expect(signals(life.handle(.delete(grace: 5), now: start)) == ["main"])
        #expect(signals(life.handle(.timePassed, now: start + .seconds(1))) == [])
        let end = PodInput.exited(container: "main", instance: 0, .code(0), message: "")
        #expect(signals(life.handle(end, now: start + .seconds(1))) == ["other"])
        #expect(signals(life.handle(.timePassed, now: start + .seconds(5))) == ["side"])
        #expect(life.nextDeadline == start + .seconds(7))
    }

    @Test("What waits to be restarted when its pod is deleted has ended as it did last")
    func settled() {
        var life = Self.life(.emptyObject)
        for instance in 0..<2 {
            _ = life.handle(.started(container: "main", instance: instance), now: start)
            _ = life.handle(.exited(container: "main", instance: instance, .code(3), message: ""), now: start)
        }
        #expect(life.handle(.delete(grace: 5), now: start) == [.finished])
        let status = life.status(of: pod(.emptyObject), address: nil, now: start)
        #expect(status["containerStatuses"]?[0]?.at("state", "terminated", "exitCode") == 3)
        #expect(status["phase"] == "Failed")
    }

    @Test("Waiting for an image or a config map is no crash: the first one afterwards is followed by a start at once")
    func startFailures() {
        var life = Self.life(.emptyObject)
        var now = start
        for (instance, kind) in [StartFailure.Kind.configuration, .image, .mount, .configuration].enumerated() {
            let failure = StartFailure(kind: kind, message: "not yet")
            _ = life.handle(.failed(container: "main", instance: instance, failure), now: now)
            now = life.nextDeadline ?? now
            #expect(
                life.handle(.timePassed, now: now) == [.start(container: "main", instance: instance + 1)],
                "\(kind)"
            )
        }
        _ = life.handle(.started(container: "main", instance: 4), now: now)
        let actions = life.handle(.exited(container: "main", instance: 4, .code(1), message: ""), now: now)
        #expect(actions == [.start(container: "main", instance: 5)])
    }
}

@Suite("Sidecars, readiness and probes in a pod's status")
struct PodReadinessTests {
    private static func side(_ extra: JSONValue = .emptyObject) -> JSONValue {
        var side: JSONValue = ["name": "side", "image": "demo", "restartPolicy": "Always"]
        for (member, value) in extra.object ?? JSONObject() { side[member] = value }
        return side
    }

    private func life(_ pod: KubeObject) -> PodLifecycle {
        let backoff = Backoff(initial: .seconds(10), maximum: .seconds(300), factor: 2, jitter: 0)
        var life = PodLifecycle(pod: pod, backoff: backoff, random: SeededRandom(seed: 1))
        _ = life.handle(.begin, now: start)
        return life
    }

    private func condition(_ type: String, _ life: PodLifecycle, _ pod: KubeObject) -> JSONValue? {
        var life = life
        let status = life.status(of: pod, address: nil, now: start)
        return status["conditions"]?.array?.first { $0["type"]?.string == type }
    }

    @Test("A pod is ready only when its sidecars are, too")
    func sidecarReadiness() {
        let pod = pod(["initContainers": [Self.side(["readinessProbe": ["httpGet": ["port": 80]]])]])
        var life = life(pod)
        _ = life.handle(.started(container: "side", instance: 0), now: start)
        _ = life.handle(.started(container: "main", instance: 0), now: start)
        #expect(condition("Ready", life, pod)?["status"] == "False")
        #expect(condition("ContainersReady", life, pod)?["message"] == "containers with unready status: [side]")
        _ = life.handle(
            .probed(container: "side", instance: 0, .readiness, passed: true, message: ""),
            now: start
        )
        #expect(condition("Ready", life, pod)?["status"] == "True")
    }

    @Test("A sidecar in a back-off takes nothing back: the pod stays initialized, and what runs beside it is restarted")
    func sidecarBackoff() {
        let two: JSONValue = [["name": "main", "image": "demo"], ["name": "second", "image": "demo"]]
        let pod = pod(["initContainers": [Self.side()], "containers": two])
        var life = life(pod)
        #expect(condition("Initialized", life, pod)?["message"] == "containers with incomplete status: [side]")
        _ = life.handle(.started(container: "side", instance: 0), now: start)
        for name in ["main", "second"] { _ = life.handle(.started(container: name, instance: 0), now: start) }
        for instance in 0..<2 {
            _ = life.handle(.exited(container: "side", instance: instance, .code(1), message: ""), now: start)
            if instance == 0 { _ = life.handle(.started(container: "side", instance: 1), now: start) }
        }
        #expect(condition("Initialized", life, pod)?["status"] == "True")
        #expect(life.phase == "Running")
        let exit = PodInput.exited(container: "second", instance: 0, .code(1), message: "")
        #expect(life.handle(exit, now: start) == [.start(container: "second", instance: 1)])
    }

    @Test("A readiness gate keeps a pod unready until its condition is true")
    func gates() {
        var pod = pod(["readinessGates": [["conditionType": "example.com/open"]]])
        var life = life(pod)
        _ = life.handle(.started(container: "main", instance: 0), now: start)
        #expect(condition("ContainersReady", life, pod)?["status"] == "True")
        let missing = condition("Ready", life, pod)
        #expect(missing?["status"] == "False" && missing?["reason"] == "ReadinessGatesNotReady")
        #expect(
            missing?["message"]
                == "corresponding condition of pod readiness gate \"example.com/open\" does not exist."
        )
        pod["status"] = ["conditions": [["type": "example.com/open", "status": "False"]]]
        #expect(
            condition("Ready", life, pod)?["message"]
                == "the status of pod readiness gate \"example.com/open\" is not \"True\", but False"
        )
        pod["status"] = ["conditions": [["type": "example.com/open", "status": "True"]]]
        #expect(condition("Ready", life, pod)?["status"] == "True")
    }

    @Test("A probe that couldn't be asked says nothing, and is asked again after its period")
    func unanswered() {
        let probe: JSONValue = ["periodSeconds": 5, "failureThreshold": 1, "exec": ["command": ["x"]]]
        let pod = pod(["containers": [["name": "main", "image": "demo", "livenessProbe": probe]]])
        var life = life(pod)
        _ = life.handle(.started(container: "main", instance: 0), now: start)
        let silence = PodInput.unanswered(container: "main", instance: 0, .liveness, message: "no such program")
        let text = "Liveness probe errored and resulted in unknown state: no such program"
        let event = PodAction.event(
            isWarning: true,
            reason: "Unhealthy",
            message: text,
            field: "spec.containers{main}"
        )
        #expect(life.handle(silence, now: start) == [event])
        #expect(life.nextDeadline == start + .seconds(5))
        #expect(
            life.handle(.timePassed, now: start + .seconds(5))
                == [.probe(container: "main", instance: 0, .liveness)]
        )
    }
}
