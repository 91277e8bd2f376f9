// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Synchronization
import Testing

@testable import LocalCluster

@Suite("One pod on the node, with processes that only pretend", .timeLimit(.minutes(2)))
struct PodWorkerTests {
    private static func probe(_ path: String, every seconds: Int) -> JSONValue {
        ["periodSeconds": JSONValue(seconds), "httpGet": ["port": 80, "path": .string(path)]]
    }

    @Test("However often probes are asked, few timers are under way")
    func timers() async throws {
        let (asked, ask) = AsyncStream<Void>.makeStream()
        let probes = ClosureExchange { request in
            if request.path == "/ready" { ask.yield() }
            return HTTPResponseMessage(status: .ok, text: "")
        }
        let harness = try PodWorkerHarness(probes: probes)
        let pod = try await harness.create { pod in
            pod["spec", "containers"] = [
                [
                    "name": "main", "image": "sh", "readinessProbe": Self.probe("/ready", every: 1),
                    "livenessProbe": Self.probe("/healthy", every: 600),
                ]
            ]
        }
        try await harness.run(pod) { worker in
            var questions = asked.makeAsyncIterator()
            _ = await questions.next()
            for _ in 0..<40 {
                // The answer is in once the next question is waited for.
                let next = harness.time.now() + .seconds(1)
                while !worker.state.withLock({ $0.alarms.contains(next) }) { await Task.yield() }
                harness.time.advance(by: .seconds(1))
                _ = await questions.next()
            }
            #expect(harness.time.sleeperCount <= 3)
        }
    }

    @Test("A refresh of the volumes waits for the one before, so that an old state never follows a newer one")
    func refreshes() async throws {
        let (held, hold) = AsyncStream<Void>.makeStream()
        let (gate, open) = AsyncStream<Void>.makeStream()
        let (read, note) = AsyncStream<Bool>.makeStream()
        let reads = Mutex((count: 0, isHeld: false))
        let harness = try PodWorkerHarness { base in
            ClosureExchange { request in
                guard request.path.contains("/configmaps/") else { return try await base.exchange(request) }
                let (number, isHeld) = reads.withLock { reads in
                    reads.count += 1
                    return (reads.count, reads.isHeld)
                }
                let response = try await base.exchange(request)
                if number == 2 {
                    reads.withLock { $0.isHeld = true }
                    hold.yield()
                    for await _ in gate { break }
                    reads.withLock { $0.isHeld = false }
                }
                if number == 3 { note.yield(isHeld) }
                return response
            }
        }
        var map = KubeObject(.configMaps, namespace: "default", name: "app")
        map.json["data"] = ["text": "first"]
        map = try await harness.client.create(.configMaps, map)
        let pod = try await harness.create { $0["spec", "volumes"] = [["name": "v", "configMap": ["name": "app"]]] }
        try await harness.run(pod) { worker in
            try await until("it runs") { try await harness.pod()?.podPhase == "Running" }
            worker.refresh()
            for await _ in held { break }
            try await harness.client.patch(.configMaps, map.key, .merge(["data": ["text": "second"]]))
            worker.refresh()
            for _ in 0..<2000 { await Task.yield() }
            open.yield()
            for await overlaps in read {
                #expect(!overlaps)
                break
            }
            let file = worker.folder.path + "/volumes/v/text"
            try await until("the newer state is there") {
                FileManager.default.contents(atPath: file) == Data("second".utf8)
            }
        }
    }

    @Test("A pod that has ended and is being deleted keeps its status as long as a finalizer keeps it")
    func ended() async throws {
        let harness = try PodWorkerHarness()
        let made = try await harness.create { pod in
            pod.finalizers = ["example.com/keep"]
            pod["spec", "restartPolicy"] = "Never"
        }
        let end: JSONValue = ["name": "main", "state": ["terminated": ["exitCode": 3, "reason": "Error"]]]
        let status: JSONValue = ["phase": "Failed", "containerStatuses": [end]]
        try await harness.client.patch(.pods, made.key, .merge(["status": status]), subresource: "status")
        try await harness.client.delete(.pods, made.key)
        await harness.worker(try #require(try await harness.pod())).run()
        let left = try #require(try await harness.pod())
        #expect(left.podPhase == "Failed")
        #expect(left["status", "containerStatuses"]?[0]?.at("state", "terminated", "exitCode") == 3)
        #expect(left["metadata", "deletionGracePeriodSeconds"] == 0)
        #expect(harness.processes.requests.isEmpty)
    }

    @Test("The node's conditions replace nobody else's, and leave nothing of what they said before")
    func conditions() async throws {
        let harness = try PodWorkerHarness()
        let made = try await harness.create { $0["spec", "restartPolicy"] = "Never" }
        let waiting: JSONValue = [
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room",
        ]
        try await harness.client.setPodCondition(waiting, of: made)
        let before: JSONValue = ["podIPs": [["ip": "127.1.1.1"]]]
        try await harness.client.patch(.pods, made.key, .merge(["status": before]), subresource: "status")
        try await harness.run(try #require(try await harness.pod())) { _ in
            try await until("it runs") { try await harness.pod()?.podPhase == "Running" }
            let foreign: JSONValue = ["type": "example.com/open", "status": "True", "reason": "Open"]
            try await harness.client.setPodCondition(foreign, of: made)
            harness.processes.first?.end(.code(0))
            try await until("its end is told") { try await harness.pod()?.podPhase == "Succeeded" }
            let pod = try #require(try await harness.pod())
            #expect(pod.isConditionTrue("example.com/open"))
            #expect(pod.isConditionTrue("PodScheduled") && pod.condition("PodScheduled")?["reason"] == nil)
            #expect(pod["status", "podIPs"] == [["ip": pod["status", "podIP"] ?? ""]])
        }
    }

    @Test("A readiness gate that somebody opens makes the pod ready")
    func gate() async throws {
        let harness = try PodWorkerHarness()
        let made = try await harness.create {
            $0["spec", "readinessGates"] = [["conditionType": "example.com/open"]]
        }
        try await harness.run(made) { worker in
            try await until("the gate is shut") {
                try await harness.pod()?.condition("Ready")?["reason"] == "ReadinessGatesNotReady"
            }
            worker.update(try #require(try await harness.pod()))
            try await harness.client.setPodCondition(["type": "example.com/open", "status": "True"], of: made)
            worker.update(try #require(try await harness.pod()))
            try await until("it is ready") { try await harness.pod()?.isPodReady ?? false }
            #expect(try await harness.pod()?.condition("Ready")?["reason"] == nil)
        }
    }

    @Test("A pod waits for a free address")
    func noAddress() async throws {
        let harness = try PodWorkerHarness()
        let taken = [try #require(harness.addresses.take()), try #require(harness.addresses.take())]
        #expect(harness.addresses.take() == nil)
        try await harness.run(try await harness.create()) { _ in
            try await until("it is told") {
                try await harness.client.list(.events, namespace: "default").items
                    .contains { $0.json["reason"] == "FailedCreatePodSandBox" }
            }
            try await until("it waits") { harness.time.sleeperCount == 1 }
            harness.addresses.release(taken[0])
            harness.time.advance(by: .seconds(1))
            try await until("it runs") { try await harness.pod()?.podPhase == "Running" }
            #expect(try await harness.pod()?["status", "podIP"]?.string == taken[0])
        }
    }

    @Test("A pod that is deleted while it waits for an address goes")
    func deletedWithoutAddress() async throws {
        let harness = try PodWorkerHarness()
        while harness.addresses.take() != nil {}
        let pod = try await harness.create()
        try await harness.run(pod) { worker in
            try await until("it waits") { harness.time.sleeperCount == 1 }
            try await harness.client.delete(.pods, pod.key)
            worker.update(try #require(try await harness.pod()))
            harness.time.advance(by: .seconds(1))
            try await until("it is gone") { try await harness.pod() == nil }
        }
    }

    @Test("A command asks in the environment that its container was started with, whatever became of its sources")
    func execEnvironment() async throws {
        let harness = try PodWorkerHarness()
        var map = KubeObject(.configMaps, namespace: "default", name: "words")
        map.json["data"] = ["one": "here"]
        map = try await harness.client.create(.configMaps, map)
        let source: JSONValue = ["configMapKeyRef": ["name": "words", "key": "one"]]
        let command: JSONValue = ["test", "$(PLAIN)", "$(WORD)", "$(NONE)"]
        let pod = try await harness.create { pod in
            pod["spec", "containers"] = [
                [
                    "name": "main", "image": "sh",
                    "env": [["name": "WORD", "valueFrom": source], ["name": "PLAIN", "value": "x"]],
                    "readinessProbe": ["initialDelaySeconds": 5, "exec": ["command": command]],
                ]
            ]
        }
        try await harness.run(pod) { _ in
            try await until("it runs") { try await harness.pod()?.podPhase == "Running" }
            try await until("the probe is waited for") { harness.time.sleeperCount == 1 }
            try await harness.client.delete(.configMaps, map.key)
            harness.time.advance(by: .seconds(5))
            try await until("it is ready") { try await harness.pod()?.isPodReady ?? false }
            let request = try #require(harness.processes.requests.last)
            #expect(harness.processes.requests.count == 2)
            #expect(request.environment["WORD"] == "here")
            #expect(request.arguments == ["x", "", "$(NONE)"])
        }
    }
}
