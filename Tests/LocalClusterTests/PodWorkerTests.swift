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
        let bench = try PodWorkerBench(probes: probes)
        let pod = try await bench.create { pod in
            pod["spec", "containers"] = [
                [
                    "name": "main", "image": "sh", "readinessProbe": Self.probe("/ready", every: 1),
                    "livenessProbe": Self.probe("/healthy", every: 600),
                ]
            ]
        }
        try await bench.run(pod) { worker in
            var questions = asked.makeAsyncIterator()
            _ = await questions.next()
            for _ in 0..<40 {
                // The answer is in once the next question is waited for.
                let next = bench.time.now() + .seconds(1)
                while !worker.state.withLock({ $0.alarms.contains(next) }) { await Task.yield() }
                bench.time.advance(by: .seconds(1))
                _ = await questions.next()
            }
            #expect(bench.time.sleeperCount <= 3)
        }
    }

    @Test("A refresh of the volumes waits for the one before, so that an old state never follows a newer one")
    func refreshes() async throws {
        let (held, hold) = AsyncStream<Void>.makeStream()
        let (gate, open) = AsyncStream<Void>.makeStream()
        let (read, note) = AsyncStream<Bool>.makeStream()
        let reads = Mutex((count: 0, isHeld: false))
        let bench = try PodWorkerBench { base in
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
        map = try await bench.client.create(.configMaps, map)
        let pod = try await bench.create { $0["spec", "volumes"] = [["name": "v", "configMap": ["name": "app"]]] }
        try await bench.run(pod) { worker in
            try await until("it runs") { try await bench.pod()?.podPhase == "Running" }
            worker.refresh()
            for await _ in held { break }
            try await bench.client.patch(.configMaps, map.key, .merge(["data": ["text": "second"]]))
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
        let bench = try PodWorkerBench()
        let made = try await bench.create { pod in
            pod.finalizers = ["example.com/keep"]
            pod["spec", "restartPolicy"] = "Never"
        }
        let end: JSONValue = ["name": "main", "state": ["terminated": ["exitCode": 3, "reason": "Error"]]]
        let status: JSONValue = ["phase": "Failed", "containerStatuses": [end]]
        try await bench.client.patch(.pods, made.key, .merge(["status": status]), subresource: "status")
        try await bench.client.delete(.pods, made.key)
        await bench.worker(try #require(try await bench.pod())).run()
        let left = try #require(try await bench.pod())
        #expect(left.podPhase == "Failed")
        #expect(left["status", "containerStatuses"]?[0]?.at("state", "terminated", "exitCode") == 3)
        #expect(left["metadata", "deletionGracePeriodSeconds"] == 0)
        #expect(bench.processes.requests.isEmpty)
    }

    @Test("The node's conditions replace nobody else's, and leave nothing of what they said before")
    func conditions() async throws {
        let bench = try PodWorkerBench()
        let made = try await bench.create { $0["spec", "restartPolicy"] = "Never" }
        let waiting: JSONValue = [
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room",
        ]
        try await bench.client.setPodCondition(waiting, of: made)
        let before: JSONValue = ["podIPs": [["ip": "127.1.1.1"]]]
        try await bench.client.patch(.pods, made.key, .merge(["status": before]), subresource: "status")
        try await bench.run(try #require(try await bench.pod())) { _ in
            try await until("it runs") { try await bench.pod()?.podPhase == "Running" }
            let foreign: JSONValue = ["type": "example.com/open", "status": "True", "reason": "Open"]
            try await bench.client.setPodCondition(foreign, of: made)
            bench.processes.first?.end(.code(0))
            try await until("its end is told") { try await bench.pod()?.podPhase == "Succeeded" }
            let pod = try #require(try await bench.pod())
            #expect(pod.isConditionTrue("example.com/open"))
            #expect(pod.isConditionTrue("PodScheduled") && pod.condition("PodScheduled")?["reason"] == nil)
            #expect(pod["status", "podIPs"] == [["ip": pod["status", "podIP"] ?? ""]])
        }
    }

    @Test("A readiness gate that somebody opens makes the pod ready")
    func gate() async throws {
        let bench = try PodWorkerBench()
        let made = try await bench.create {
            $0["spec", "readinessGates"] = [["conditionType": "example.com/open"]]
        }
        try await bench.run(made) { worker in
            try await until("the gate is shut") {
                try await bench.pod()?.condition("Ready")?["reason"] == "ReadinessGatesNotReady"
            }
            worker.update(try #require(try await bench.pod()))
            try await bench.client.setPodCondition(["type": "example.com/open", "status": "True"], of: made)
            worker.update(try #require(try await bench.pod()))
            try await until("it is ready") { try await bench.pod()?.isPodReady ?? false }
            #expect(try await bench.pod()?.condition("Ready")?["reason"] == nil)
        }
    }

    @Test("A pod waits for a free address")
    func noAddress() async throws {
        let bench = try PodWorkerBench()
        let taken = [try #require(bench.addresses.take()), try #require(bench.addresses.take())]
        #expect(bench.addresses.take() == nil)
        try await bench.run(try await bench.create()) { _ in
            try await until("it is told") {
                try await bench.client.list(.events, namespace: "default").items
                    .contains { $0.json["reason"] == "FailedCreatePodSandBox" }
            }
            try await until("it waits") { bench.time.sleeperCount == 1 }
            bench.addresses.release(taken[0])
            bench.time.advance(by: .seconds(1))
            try await until("it runs") { try await bench.pod()?.podPhase == "Running" }
            #expect(try await bench.pod()?["status", "podIP"]?.string == taken[0])
        }
    }

    @Test("A pod that is deleted while it waits for an address goes")
    func deletedWithoutAddress() async throws {
        let bench = try PodWorkerBench()
        while bench.addresses.take() != nil {}
        let pod = try await bench.create()
        try await bench.run(pod) { worker in
            try await until("it waits") { bench.time.sleeperCount == 1 }
            try await bench.client.delete(.pods, pod.key)
            worker.update(try #require(try await bench.pod()))
            bench.time.advance(by: .seconds(1))
            try await until("it is gone") { try await bench.pod() == nil }
        }
    }

    @Test("A command asks in the environment that its container was started with, whatever became of its sources")
    func execEnvironment() async throws {
        let bench = try PodWorkerBench()
        var map = KubeObject(.configMaps, namespace: "default", name: "words")
        map.json["data"] = ["one": "here"]
        map = try await bench.client.create(.configMaps, map)
        let source: JSONValue = ["configMapKeyRef": ["name": "words", "key": "one"]]
        let command: JSONValue = ["test", "$(PLAIN)", "$(WORD)", "$(NONE)"]
        let pod = try await bench.create { pod in
            pod["spec", "containers"] = [
                [
                    "name": "main", "image": "sh",
                    "env": [["name": "WORD", "valueFrom": source], ["name": "PLAIN", "value": "x"]],
                    "readinessProbe": ["initialDelaySeconds": 5, "exec": ["command": command]],
                ]
            ]
        }
        try await bench.run(pod) { _ in
            try await until("it runs") { try await bench.pod()?.podPhase == "Running" }
            try await until("the probe is waited for") { bench.time.sleeperCount == 1 }
            try await bench.client.delete(.configMaps, map.key)
            bench.time.advance(by: .seconds(5))
            try await until("it is ready") { try await bench.pod()?.isPodReady ?? false }
            let request = try #require(bench.processes.requests.last)
            #expect(bench.processes.requests.count == 2)
            #expect(request.environment["WORD"] == "here")
            #expect(request.arguments == ["x", "", "$(NONE)"])
        }
    }
}
