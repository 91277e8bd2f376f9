// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Synchronization
import Testing

@testable import LocalCluster

@Suite("Pods that serve: probes and rolling updates", .serialized)
struct ServingTests {
    private let curl = CurlExchange(configuration: CurlConfiguration(http2: false))

    @Test("The probes follow each other, and a liveness that fails restarts the container", .timeLimit(.minutes(5)))
    func probes() async throws {
        let pods = HTTPPodSpawner(lastService: .zero)
        pods.switches.withLock { state in
            state.isStarted = false
            state.isReady = false
        }
        try await TestCluster(probes: curl, processes: pods).run { client in
            var pod = TestCluster.pod("web", ["main": ""])
            pod["spec", "containers"] = [
                [
                    "name": "main", "image": "sh", "ports": [["name": "http", "containerPort": 8080]],
                    "startupProbe": Self.probe("/started", failureThreshold: 60),
                    "readinessProbe": Self.probe("/ready"),
                    "livenessProbe": Self.probe("/healthy", failureThreshold: 2),
                ]
            ]
            pod = try await client.create(.pods, pod)
            try await until("the startup probe is asked") { pods.switches.withLock { !$0.asked.isEmpty } }
            #expect(pods.switches.withLock { Set($0.asked) } == ["/started"])
            pods.switches.withLock { $0.isStarted = true }
            try await until("the other probes are asked") {
                pods.switches.withLock { $0.asked.contains("/ready") && $0.asked.contains("/healthy") }
            }
            #expect(try await client.get(.pods, pod.key).isPodReady == false)
            pods.switches.withLock { $0.isReady = true }
            try await client.untilReady(pod)
            pods.switches.withLock { $0.isHealthy = false }
            try await until("it starts a second time") { pods.starts.withLock { $0 } == 2 }
            pods.switches.withLock { $0.isHealthy = true }
            try await client.untilReady(pod)
            try await until("the restart is counted") {
                try await client.get(.pods, pod.key)["status", "containerStatuses"]?[0]?["restartCount"]?.int == 1
            }
        }
    }

    @Test("Probes by HTTP, TCP and command pass or say what is wrong", .timeLimit(.minutes(5)))
    func prober() async throws {
        let prober = Prober(exchange: curl, processes: SystemProcessSpawner(), time: SystemTime())
        let pods = HTTPPodSpawner(lastService: .zero)
        let address = Loopback.address()
        let environment = ["POD_IP": address, "PATH": "/usr/bin:/bin"]
        let request = ProcessRequest(executable: "", arguments: [], environment: environment, directory: "/")
        let server = try await pods.spawn(request) { _ in }
        pods.switches.withLock { $0.isReady = false }
        func answer(_ handler: JSONValue) async -> Prober.Answer {
            await prober.perform(
                handler,
                container: ["ports": [["name": "http", "containerPort": 8080]]],
                address: address,
                timeout: .seconds(1),
                command: request
            )
        }
        func ask(_ handler: JSONValue) async -> String? { await answer(handler).wrong }
        func isUnknown(_ handler: JSONValue) async -> Bool {
            if case .unknown = await answer(handler) { true } else { false }
        }
        #expect(await isUnknown(["exec": ["command": ["/no/such/program"]]]))
        #expect(await isUnknown(["tcpSocket": ["port": "none"]]))
        #expect(await isUnknown(["grpc": ["port": 8080]]))
        #expect(await !isUnknown(["exec": ["command": ["/bin/sh", "-c", "exit 1"]]]))
        #expect(await !isUnknown(["tcpSocket": ["port": 1]]))
        #expect(await ask(["httpGet": ["port": "http", "path": "/healthy"]]) == nil)
        #expect(await ask(["httpGet": ["port": 8080, "path": "/ready"]]) == "HTTP probe failed with statuscode: 503")
        #expect(await ask(["httpGet": ["port": 1]]) != nil)
        #expect(await ask(["httpGet": ["port": "none"]]) == "the port isn't known")
        #expect(await ask(["tcpSocket": ["port": 8080]]) == nil)
        #expect(await ask(["tcpSocket": ["port": 1]]) != nil)
        #expect(await ask(["exec": ["command": ["/bin/sh", "-c", .string("test $POD_IP = \(address)")]]]) == nil)
        #expect(
            await ask(["exec": ["command": ["/bin/sh", "-c", "echo no; exit 4"]]])
                == "command exited with code 4: no"
        )
        #expect(
            await ask(["exec": ["command": ["/bin/sh", "-c", "sleep 60"]]]) == "command timed out after 1s"
        )
        #expect(await ask(["exec": ["command": ["sh", "-c", "exit 0"]]]) == nil)
        server.send(.terminate)
        #expect(await server.waitForExit() == .code(0))
        #expect(await ask(["tcpSocket": ["port": 8080]]) != nil)
    }

    @Test("A rolling update answers every request of clients that ask all the time", .timeLimit(.minutes(5)))
    func rollingUpdate() async throws {
        let pods = HTTPPodSpawner()
        try await TestCluster(runsProxies: true, probes: curl, processes: pods).run { client in
            var service = KubeObject(.services, namespace: "default", name: "web")
            service["spec"] = ["selector": ["app": "web"], "ports": [["port": 80, "targetPort": 8080]]]
            service = try await client.create(.services, service)
            let address = try #require(service["spec", "clusterIP"]?.string)
            let deployment = Self.deployment("one")
            try await client.create(.deployments, deployment)
            try await until("the Service answers") { (try? await ask(address)) == "one" }
            let tally = Tally()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { await tally.ask { try await ask(address) } } }
                for answer in ["two", "three"] {
                    let seen = tally.count("")
                    try await until("requests are answered") { tally.count("") > seen + 20 }
                    try await client.patch(
                        .deployments,
                        deployment.key,
                        .merge(["spec": ["template": Self.template(answer)]])
                    )
                    try await until("the update to \(answer) is complete") {
                        let pods = try await client.list(.pods, namespace: "default").items
                        return pods.count == 3
                            && pods.allSatisfy {
                                $0.isPodReady && $0["spec", "containers"]?[0]?.at("args")?[0]?.string == answer
                            }
                    }
                    let now = tally.count(answer)
                    try await until("the new pods answer") { tally.count(answer) > now + 20 }
                }
                group.cancelAll()
                try await group.waitForAll()
            }
            #expect(tally.failures.isEmpty)
            #expect(tally.count("one") > 0 && tally.count("two") > 0 && tally.count("three") > 0)
        }
    }

    private func ask(_ address: String) async throws -> String {
        let head = HTTPRequest(method: .get, scheme: "http", authority: "\(address):80", path: "/")
        let response = try await curl.exchange(HTTPRequestMessage(head: head, timeout: .seconds(10)))
        guard response.head.status == .ok else { return "status \(response.head.status.code)" }
        return String(decoding: try await response.body.collect(upTo: 1 << 20), as: UTF8.self)
    }

    private static func probe(_ path: String, failureThreshold: Int = 1) -> JSONValue {
        [
            "httpGet": ["port": "http", "path": .string(path)], "periodSeconds": 1,
            "failureThreshold": JSONValue(failureThreshold),
        ]
    }

    private static func template(_ answer: String) -> JSONValue {
        [
            "metadata": ["labels": ["app": "web"]],
            "spec": [
                "containers": [
                    [
                        "name": "main", "image": "sh", "args": [.string(answer)],
                        "ports": [["name": "http", "containerPort": 8080]], "readinessProbe": probe("/ready"),
                    ]
                ]
            ],
        ]
    }

    private static func deployment(_ answer: String) -> KubeObject {
        var deployment = KubeObject(.deployments, namespace: "default", name: "web")
        deployment["spec"] = [
            "replicas": 3, "selector": ["matchLabels": ["app": "web"]], "template": template(answer),
        ]
        return deployment
    }
}

/// Counts answers and keeps failures.
private final class Tally: Sendable {
    private struct State {
        var counts: [String: Int] = [:]
        var failures: [String] = []
    }

    private let state = Mutex(State())

    /// What went wrong.
    var failures: [String] { state.withLock { $0.failures } }

    /// How many requests had this answer; with an empty one, all of them.
    func count(_ answer: String) -> Int {
        state.withLock { answer.isEmpty ? $0.counts.values.reduce(0, +) : $0.counts[answer] ?? 0 }
    }

    /// Asks until the task is cancelled.
    func ask(_ body: () async throws -> String) async {
        while !Task.isCancelled {
            do {
                let answer = try await body()
                state.withLock { state in
                    if answer.hasPrefix("status") { state.failures.append(answer) }
                    state.counts[answer, default: 0] += 1
                }
            } catch {
                if !Task.isCancelled { state.withLock { $0.failures.append("\(error)") } }
            }
        }
    }
}
