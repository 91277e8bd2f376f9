// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime
import Logging
import ServiceLifecycle

/// Registers the node and keeps it alive: the Node object and its lease.
struct NodeRegistration: Service {
    /// The namespace of the nodes' leases.
    static let leaseNamespace = "kube-node-lease"
    /// How often the lease is renewed, as the kubelet does.
    static let renewal: Duration = .seconds(10)

    /// The API.
    let client: KubeClient
    /// The cluster's settings.
    let configuration: LocalClusterConfiguration

    /// Registers, then renews the lease until cancelled.
    func run() async throws {
        try? await cancelOnShutdown {
            var failures = 0
            while !Task.isCancelled {
                do {
                    try await register()
                    failures = 0
                    try await configuration.time.sleep(for: Self.renewal)
                } catch let error as KubeError {
                    failures += 1
                    configuration.logger.warning(
                        "cannot register the node; will try again",
                        metadata: ["error": "\(error)"]
                    )
                    try await configuration.time.sleep(
                        for: Backoff().delay(attempt: failures, random: configuration.random)
                    )
                }
            }
        }
    }

    /// Makes or renews the Node and its lease.
    func register() async throws(KubeError) {
        let now = configuration.time.now()
        let key = ObjectKey(namespace: nil, name: configuration.nodeName)
        if try await client.find(.nodes, key) == nil {
            try await client.create(.nodes, node(now: now))
            try await client.patch(.nodes, key, .merge(["status": status(now: now)]), subresource: "status")
        }
        var lease = KubeObject(.leases, namespace: Self.leaseNamespace, name: configuration.nodeName)
        lease["spec"] = [
            "holderIdentity": .string(configuration.nodeName), "leaseDurationSeconds": 40,
            "renewTime": .string(now.rfc3339Micro),
        ]
        do {
            try await client.patch(.leases, lease.key, .merge(["spec": lease["spec"] ?? .emptyObject]))
        } catch {
            guard error.isNotFound else { throw error }
            let namespace = KubeObject(.namespaces, namespace: nil, name: Self.leaseNamespace)
            do { try await client.create(.namespaces, namespace) } catch { if !error.isAlreadyExists { throw error } }
            try await client.create(.leases, lease)
        }
    }

    private func node(now: WallTime) -> KubeObject {
        var node = KubeObject(.nodes, namespace: nil, name: configuration.nodeName)
        node.labels = [
            "kubernetes.io/hostname": configuration.nodeName, "kubernetes.io/os": Self.system,
            "kubernetes.io/arch": Self.architecture, "node-role.kubernetes.io/control-plane": "",
        ]
        node["spec"] = ["podCIDR": .string(configuration.podRange), "podCIDRs": [.string(configuration.podRange)]]
        return node
    }

    private func status(now: WallTime) -> JSONValue {
        let resources: JSONValue = [
            "cpu": .string(String(configuration.processors)),
            "memory": .string("\(configuration.memoryBytes / 1024)Ki"),
            "pods": .string(String(configuration.maximumPods)), "ephemeral-storage": "100Gi",
        ]
        let time = JSONValue.string(now.rfc3339)
        let ready: JSONValue = [
            "type": "Ready", "status": "True", "reason": "KubeletReady",
            "message": "the local node runs pods as processes",
            "lastHeartbeatTime": time, "lastTransitionTime": time,
        ]
        return [
            "capacity": resources, "allocatable": resources, "conditions": [ready],
            "addresses": [
                ["type": "InternalIP", "address": "127.0.0.1"],
                ["type": "Hostname", "address": .string(configuration.nodeName)],
            ],
            "nodeInfo": [
                "kubeletVersion": .string(configuration.serverVersion), "kubeProxyVersion": "",
                "operatingSystem": .string(Self.system), "architecture": .string(Self.architecture),
                "containerRuntimeVersion": "process://0.1.0", "osImage": "the host's", "kernelVersion": "",
                "machineID": "", "systemUUID": "", "bootID": "",
            ],
        ]
    }

    private static var system: String {
        #if os(Linux)
            "linux"
        #else
            "darwin"
        #endif
    }

    private static var architecture: String {
        #if arch(x86_64)
            "amd64"
        #else
            "arm64"
        #endif
    }
}
