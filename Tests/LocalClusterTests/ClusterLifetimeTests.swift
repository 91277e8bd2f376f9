// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeAPI
import KubeModel
import Testing

@testable import LocalCluster

@Suite("The end of pods and of the cluster, with real processes", .serialized)
struct ClusterLifetimeTests {
    /// Writes its own number (`$$` after the expansion that Kubernetes does), then waits for `SIGTERM`, notes it and
    /// ends.
    private static let polite = """
        trap 'echo ended > $FILE.term; exit 0' TERM
        echo $$$$ > $FILE.new; mv $FILE.new $FILE
        while true; do sleep 0.05; done
        """
    private static let stubborn = """
        trap '' TERM
        echo $$$$ > $FILE.new; mv $FILE.new $FILE
        while true; do sleep 1; done
        """

    @Test("A graceful shutdown asks every pod to end and leaves no process and no folder", .timeLimit(.minutes(5)))
    func graceful() async throws {
        let notes = try Notes()
        defer { notes.remove() }
        let cluster = TestCluster()
        var pids: [Int] = []
        let time = try await cluster.run { client in
            for name in ["a", "b"] {
                let pod = try await client.create(.pods, notes.pod(name, Self.polite))
                pids.append(try await notes.pid(name))
                try await client.untilReady(pod)
            }
        }
        // They would be killed after 9 seconds.
        #expect(time < .seconds(8))
        #expect(pids.allSatisfy { !isAlive($0) })
        #expect(["a", "b"].allSatisfy { notes.exists($0 + ".term") })
    }

    @Test("Pods that ignore the request are killed at the limit", .timeLimit(.minutes(5)))
    func stubborn() async throws {
        let notes = try Notes()
        defer { notes.remove() }
        var pid = 0
        let time = try await TestCluster(shutdownLimit: .seconds(3)).run { client in
            try await client.create(.pods, notes.pod("a", Self.stubborn))
            pid = try await notes.pid("a")
        }
        #expect(time >= .milliseconds(1500) && time < .seconds(15))
        #expect(!isAlive(pid))
    }

    @Test("A cancelled cluster kills its pods and leaves no folder", .timeLimit(.minutes(5)))
    func cancelled() async throws {
        let notes = try Notes()
        defer { notes.remove() }
        let cluster = TestCluster()
        var pid = 0
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try? await cluster.cluster.run() }
            try await cluster.client.create(.pods, notes.pod("a", Self.stubborn))
            pid = try await notes.pid("a")
            group.cancelAll()
            try await group.waitForAll()
        }
        #expect(!isAlive(pid))
        #expect(!FileManager.default.fileExists(atPath: cluster.directory))
    }

    @Test(
        "A deleted pod gets its grace, is no ready endpoint at once, and is killed after it",
        .timeLimit(.minutes(5))
    )
    func deletion() async throws {
        let notes = try Notes()
        defer { notes.remove() }
        try await TestCluster().run { client in
            var service = KubeObject(.services, namespace: "default", name: "web")
            service["spec"] = ["selector": ["app": "web"], "ports": [["port": 80]]]
            try await client.create(.services, service)
            var pod = notes.pod("a", Self.stubborn, grace: 3)
            pod.labels = ["app": "web"]
            pod = try await client.create(.pods, pod)
            let pid = try await notes.pid("a")
            try await until("the endpoint is ready") { try await conditions(client)?["ready"] == true }
            try await client.delete(.pods, pod.key)
            let clock = ContinuousClock()
            let start = clock.now
            try await until("the endpoint is terminating") { try await conditions(client)?["terminating"] == true }
            #expect(try await conditions(client)?["ready"] == false)
            #expect(isAlive(pid))
            try await until("the pod is gone") { try await client.find(.pods, pod.key) == nil }
            #expect(clock.now - start >= .milliseconds(2500))
            #expect(!isAlive(pid))
            try await until("the endpoint is gone") { try await conditions(client) == nil }
        }
    }

    @Test("A pod deleted with no grace is killed at once", .timeLimit(.minutes(5)))
    func force() async throws {
        let notes = try Notes()
        defer { notes.remove() }
        try await TestCluster().run { client in
            let pod = try await client.create(.pods, notes.pod("a", Self.stubborn))
            let pid = try await notes.pid("a")
            try await client.delete(.pods, pod.key, options: DeleteOptions(gracePeriodSeconds: 0))
            try await until("the process has ended") { !isAlive(pid) }
            #expect(try await client.find(.pods, pod.key) == nil)
        }
    }

    private func conditions(_ client: KubeClient) async throws -> JSONValue? {
        let slices = try await client.list(.endpointSlices, namespace: "default").items
        let own = slices.first { $0.labels[EndpointSlicePlan.serviceLabel] == "web" }
        return own?["endpoints"]?.array?.first?["conditions"]
    }
}

/// A folder that the pods of a test write to.
private struct Notes {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "modelfleet-notes-\(UInt64.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }

    func pod(_ name: String, _ script: String, grace: Int = 30) -> KubeObject {
        let extra: JSONValue = ["env": [["name": "FILE", "value": .string("\(path)/\(name)")]]]
        return TestCluster.pod(name, ["main": script], grace: grace, extra: extra)
    }

    /// Waits for the number of a pod's process.
    func pid(_ name: String) async throws -> Int {
        try await until("\(name) runs") { exists(name) }
        let text = try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
        return try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    }
}
