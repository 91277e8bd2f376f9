// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import LocalCluster

/// Addresses that no other test of this machine uses at the moment, as far as chance goes.
enum Loopback {
    /// A range of 254 addresses.
    static func range() -> String { "127.\(Int.random(in: 128...254)).\(Int.random(in: 0...255)).0/24" }

    /// One address.
    static func address() -> String {
        "127.\(Int.random(in: 128...254)).\(Int.random(in: 0...255)).\(Int.random(in: 1...254))"
    }
}

/// A cluster for one test.
struct TestCluster: Sendable {
    /// The cluster.
    let cluster: LocalCluster
    /// Its folder.
    var directory: String { cluster.configuration.directory }
    /// A client of it.
    var client: KubeClient { cluster.client() }

    /// A cluster that runs `/bin/sh` for the image `sh`.
    init(
        runsProxies: Bool = false,
        probes: (any HTTPExchange)? = nil,
        shutdownLimit: Duration = .seconds(10),
        processes: (any PodProcessSpawner)? = nil,
        change: (inout LocalClusterConfiguration) -> Void = { _ in }
    ) {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let directory = NSTemporaryDirectory() + "modelfleet-test-" + SystemRandom().uuid()
        var configuration = LocalClusterConfiguration(
            directory: directory,
            images: LocalImages([LocalImages.Entry(image: "sh", executable: "/bin/sh")]),
            podRange: Loopback.range(),
            serviceRange: Loopback.range(),
            restartBackoff: Backoff(initial: .seconds(300), maximum: .seconds(300), factor: 1, jitter: 0),
            shutdownLimit: shutdownLimit,
            probes: probes,
            runsProxies: runsProxies,
            processes: processes,
            logger: logger
        )
        change(&configuration)
        cluster = LocalCluster(configuration: configuration)
    }

    /// Runs the cluster around `body`, then shuts it down gracefully; the time that this took is the result.
    @discardableResult
    func run(_ body: (KubeClient) async throws -> Void) async throws -> Duration {
        let group = ServiceGroup(services: [cluster], logger: cluster.configuration.logger)
        let clock = ContinuousClock()
        var asked = clock.now
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            do {
                try await body(client)
            } catch {
                tasks.cancelAll()
                throw error
            }
            asked = clock.now
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(!FileManager.default.fileExists(atPath: directory), "the folder is left")
        return clock.now - asked
    }

    /// A pod of containers that run shell scripts.
    static func pod(
        _ name: String,
        _ scripts: KeyValuePairs<String, String>,
        labels: [String: String] = [:],
        grace: Int = 30,
        policy: String = "Always",
        extra: JSONValue = .emptyObject
    ) -> KubeObject {
        var pod = KubeObject(.pods, namespace: "default", name: name)
        pod.labels = labels
        let containers = scripts.map { name, script -> JSONValue in
            var container: JSONValue = ["name": .string(name), "image": "sh", "args": ["-c", .string(script)]]
            for (member, value) in extra.object ?? JSONObject() { container[member] = value }
            return container
        }
        pod["spec"] = [
            "restartPolicy": .string(policy), "terminationGracePeriodSeconds": JSONValue(grace),
            "containers": .array(containers),
        ]
        return pod
    }
}

/// Waits until a condition holds; records an issue after 30 seconds.
func until(_ what: String, _ condition: () async throws -> Bool) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(30)
    while clock.now < end {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(20))
    }
    Issue.record("waited in vain until \(what)")
    throw CancellationError()
}

extension KubeClient {
    /// Waits until the pod has all containers ready.
    func untilReady(_ pod: KubeObject) async throws {
        try await until("\(pod.name) is ready") { try await find(.pods, pod.key)?.isPodReady ?? false }
    }

    /// The log as text.
    func log(_ pod: String, _ query: String = "") async throws -> String {
        let response = try await exchange.exchange(
            HTTPRequestMessage(
                head: HTTPRequest(
                    method: .get,
                    scheme: "http",
                    authority: "localhost",
                    path: "/api/v1/namespaces/default/pods/\(pod)/log\(query)"
                )
            )
        )
        return String(decoding: try await response.body.collect(upTo: 1 << 20), as: UTF8.self)
    }
}

/// Whether a process exists and isn't a zombie.
func isAlive(_ pid: Int) -> Bool {
    guard let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
    return status.split(separator: ")").last?.split(separator: " ").first != "Z"
}
