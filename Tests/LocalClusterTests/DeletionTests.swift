// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import HTTPMessages
import KubeAPI
import KubeModel
import Testing

@testable import LocalCluster

@Suite("What a deletion takes with it, with real processes", .serialized)
struct DeletionTests {
    @Test("A namespace takes everything in it, and refuses new things meanwhile", .timeLimit(.minutes(5)))
    func namespace() async throws {
        try await TestCluster().run { client in
            try await client.create(.namespaces, KubeObject(.namespaces, namespace: nil, name: "shop"))
            let deployment = Self.deployment(namespace: "shop")
            try await client.create(.deployments, deployment)
            var map = KubeObject(.configMaps, namespace: "shop", name: "settings")
            map.json["data"] = ["a": "1"]
            map.finalizers = ["example.com/wait"]
            map = try await client.create(.configMaps, map)
            try await available(client, deployment)
            try await client.delete(.namespaces, ObjectKey(namespace: nil, name: "shop"))
            try await until("all but what must wait is gone") {
                let pods = try await client.list(.pods, namespace: "shop").items
                let sets = try await client.list(.replicaSets, namespace: "shop").items
                return try await client.find(.deployments, deployment.key) == nil && pods.isEmpty && sets.isEmpty
            }
            let waiting = try await client.get(.namespaces, ObjectKey(namespace: nil, name: "shop"))
            #expect(waiting["status", "phase"]?.string == "Terminating")
            await #expect(throws: KubeError.self) {
                try await client.create(.pods, TestCluster.pod("late", ["main": "sleep 1"]).moved(to: "shop"))
            }
            try await client.patch(.configMaps, map.key, .merge(["metadata": ["finalizers": .null]]))
            try await until("the namespace is gone") {
                try await client.find(.namespaces, ObjectKey(namespace: nil, name: "shop")) == nil
            }
        }
    }

    @Test("What comes to match a selector, and has no owner, is taken in", .timeLimit(.minutes(5)))
    func adoption() async throws {
        try await TestCluster().run { client in
            let deployment = Self.deployment()
            try await client.create(.deployments, deployment)
            try await available(client, deployment)
            let set = try #require(try await client.list(.replicaSets, namespace: "default").items.first)
            var labels = JSONValue.emptyObject
            for (label, value) in set.labels { labels[label] = .string(value) }
            let pod = TestCluster.pod("orphan", ["main": "trap 'exit 0' TERM; while true; do sleep 0.05; done"])
            try await client.create(.pods, pod)
            try await client.untilReady(pod)
            try await client.patch(.pods, pod.key, .merge(["metadata": ["labels": labels]]))
            try await until("the pod has an owner, or had one and goes") {
                let found = try await client.find(.pods, pod.key)
                return found.map { $0.controller != nil || $0.isBeingDeleted } ?? true
            }
            var orphan = KubeObject(.replicaSets, namespace: "default", name: "orphan")
            orphan["spec"] = set["spec"]
            orphan["spec", "replicas"] = 0
            orphan["spec", "template", "metadata", "labels", "other"] = "one"
            try await client.create(.replicaSets, orphan)
            try await client.patch(.replicaSets, orphan.key, .merge(["metadata": ["labels": labels]]))
            try await until("the replica set has an owner") {
                try await client.find(.replicaSets, orphan.key)?.controller?.name == "web"
            }
        }
    }

    @Test("In the foreground an owner goes after its dependents", .timeLimit(.minutes(5)))
    func foreground() async throws {
        try await TestCluster().run { client in
            let deployment = Self.deployment(script: "trap 'sleep 0.5; exit 0' TERM; while true; do sleep 0.05; done")
            try await client.create(.deployments, deployment)
            try await available(client, deployment)
            try await client.delete(
                .deployments,
                deployment.key,
                options: DeleteOptions(propagation: .foreground)
            )
            try await until("the owner is gone") { try await client.find(.deployments, deployment.key) == nil }
            #expect(try await client.list(.replicaSets, namespace: "default").items.isEmpty)
            #expect(try await client.list(.pods, namespace: "default").items.isEmpty)
        }
    }

    @Test("Orphans stay without their owner, and a new one takes them in", .timeLimit(.minutes(5)))
    func orphans() async throws {
        try await TestCluster().run { client in
            let deployment = Self.deployment()
            try await client.create(.deployments, deployment)
            try await available(client, deployment)
            let pods = Set(try await client.list(.pods, namespace: "default").items.compactMap(\.uid))
            try await client.delete(.deployments, deployment.key, options: DeleteOptions(propagation: .orphan))
            try await until("the owner is gone") { try await client.find(.deployments, deployment.key) == nil }
            let sets = try await client.list(.replicaSets, namespace: "default").items
            #expect(sets.count == 1 && sets.allSatisfy { $0.ownerReferences.isEmpty })
            #expect(Set(try await client.list(.pods, namespace: "default").items.compactMap(\.uid)) == pods)
            try await client.create(.deployments, deployment)
            try await available(client, deployment)
            let owner = try await client.get(.deployments, deployment.key).uid
            let adopted = try await client.list(.replicaSets, namespace: "default").items
            #expect(adopted.map(\.uid) == sets.map(\.uid) && adopted.first?.controller?.uid == owner)
            #expect(Set(try await client.list(.pods, namespace: "default").items.compactMap(\.uid)) == pods)
        }
    }

    @Test("A pod that loses its labels is let go and replaced", .timeLimit(.minutes(5)))
    func relabelled() async throws {
        try await TestCluster().run { client in
            let deployment = Self.deployment()
            try await client.create(.deployments, deployment)
            try await available(client, deployment)
            let pod = try #require(try await client.list(.pods, namespace: "default").items.first)
            try await client.patch(.pods, pod.key, .merge(["metadata": ["labels": ["app": "debug"]]]))
            try await until("another takes its place") {
                let pods = try await client.list(.pods, namespace: "default").items
                return pods.count == 3 && pods.count { $0.isPodReady } == 3
            }
            let left = try await client.get(.pods, pod.key)
            #expect(left.uid == pod.uid && left.controller == nil)
        }
    }

    @Test("The kubeconfig is for its owner only, replaces what was there, and is one that clients load")
    func kubeconfig() throws {
        let folder = NSTemporaryDirectory() + "modelfleet-kubeconfig-\(UInt64.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = KubeconfigFile(path: folder + "/deep/config")
        let access = ClusterAccess(server: "https://127.0.0.1:6443", authority: "PEM", token: "secret")
        #expect(file.owner == .nobody)
        try file.write(ClusterAccess(server: "https://127.0.0.1:1"))
        try file.write(access)
        let attributes = try FileManager.default.attributesOfItem(atPath: file.path)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/deep") == ["config"])
        let connection = try KubeConfiguration.load(environment: [:], explicitPath: file.path, context: nil)
        #expect(connection.server == access.server)
        #expect(connection.namespace == "default")
        #expect(connection.tls.authorities == "PEM")
        #expect(file.owner == .localCluster(connection))
        file.remove(token: "another cluster's")
        #expect(FileManager.default.fileExists(atPath: file.path))
        let own = try String(contentsOfFile: file.path, encoding: .utf8)
        try own.replacing("\"contexts\": [", with: "\"contexts\": [{\"name\": \"prod\", \"context\": {}},")
            .write(toFile: file.path, atomically: true, encoding: .utf8)
        file.remove(token: "secret")
        #expect(FileManager.default.fileExists(atPath: file.path))
        try own.write(toFile: file.path, atomically: true, encoding: .utf8)
        file.remove(token: "secret")
        #expect(!FileManager.default.fileExists(atPath: file.path))
    }

    @Test("A kubeconfig that can't be written fails with the file and the system's reason")
    func unwritableKubeconfig() throws {
        let folder = NSTemporaryDirectory() + "modelfleet-kubeconfig-\(UInt64.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/dir/inner", withIntermediateDirectories: true)
        try Data().write(to: URL(fileURLWithPath: folder + "/file"))
        for (path, reason) in [
            ("/file/config", "can't make its folder: not a directory"),
            ("/dir", "can't replace \(folder)/dir: is a directory"),
            ("/\(String(repeating: "x", count: 300))", "file name too long"),
        ] {
            let error = #expect(throws: LocalClusterError.self) {
                try KubeconfigFile(path: folder + path).write(ClusterAccess(server: "https://127.0.0.1:1"))
            }
            #expect(error?.message.hasPrefix("can't write the kubeconfig \(folder + path): ") == true)
            #expect(error?.message.hasSuffix(reason) == true, "\(error?.message ?? "")")
        }
    }

    @Test(
        "A file that holds anything but a local cluster is somebody else's; an empty one is nobody's",
        arguments: [
            ("", true), ("\n", true), ("my notes", false), ("{}", false), ("a: [", false),
            ("apiVersion: v1\nkind: Config\ncontexts: [{name: prod, context: {cluster: prod}}]\n", false),
            ("contexts: [{name: modelfleet-local, context: {}}, {name: prod, context: {}}]\n", false),
        ]
    )
    func owners(_ text: String, _ isFree: Bool) throws {
        let path = NSTemporaryDirectory() + "modelfleet-kubeconfig-\(UInt64.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        #expect(KubeconfigFile(path: path).owner == (isFree ? .nobody : .others))
    }

    private static func deployment(
        namespace: String = "default",
        script: String = "trap 'exit 0' TERM; while true; do sleep 0.05; done"
    ) -> KubeObject {
        var deployment = KubeObject(.deployments, namespace: namespace, name: "web")
        let pod = TestCluster.pod("web", ["main": script])
        deployment["spec"] = [
            "replicas": 2, "selector": ["matchLabels": ["app": "web"]],
            "template": ["metadata": ["labels": ["app": "web"]], "spec": pod["spec"] ?? .null],
        ]
        return deployment
    }

    private func available(_ client: KubeClient, _ deployment: KubeObject) async throws {
        try await until("the Deployment is available") {
            try await client.get(.deployments, deployment.key).statusCount("availableReplicas") == 2
        }
    }
}

extension KubeObject {
    /// The same object in another namespace.
    fileprivate func moved(to namespace: String) -> KubeObject {
        var object = self
        object.namespace = namespace
        return object
    }
}
