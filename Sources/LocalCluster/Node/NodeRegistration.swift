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
    /// How often the status is written although nothing changed, as the kubelet does.
    static let report: Duration = .seconds(300)

    /// The API.
    let client: KubeClient
    /// The cluster's settings.
    let configuration: LocalClusterConfiguration
    /// The node's name.
    let name: String
    /// Whether the node is on: it is silent while it isn't.
    let power: NodePower

    /// Registers, then renews the lease until cancelled.
    func run() async throws {
        try? await cancelOnShutdown {
            var failures = 0
            while !Task.isCancelled {
                do {
                    if !power.isOff { try await register() }
                    failures = 0
                    try await configuration.time.sleep(for: configuration.nodeRenewal)
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
        let key = ObjectKey(namespace: nil, name: name)
        let present = try await client.find(.nodes, key)
        if present == nil { try await client.create(.nodes, node(now: now)) }
        if !Self.isFresh(present, now: now) {
            let status = status(since: present, now: now)
            try await client.patch(.nodes, key, .merge(["status": status]), subresource: "status")
        }
        var lease = KubeObject(.leases, namespace: Self.leaseNamespace, name: name)
        lease["spec"] = [
            "holderIdentity": .string(name), "leaseDurationSeconds": 40,
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

    /// Whether a Node says that it is ready, and said so not long ago.
    private static func isFresh(_ node: KubeObject?, now: WallTime) -> Bool {
        guard let ready = node?.condition("Ready"), ready["status"] == "True",
            let last = ready["lastHeartbeatTime"]?.string.flatMap(WallTime.init(rfc3339:))
        else { return false }
        return now - last < report
    }

    private func node(now: WallTime) -> KubeObject {
        var node = KubeObject(.nodes, namespace: nil, name: name)
        node.labels = [
            "kubernetes.io/hostname": name, "kubernetes.io/os": Self.system,
            "kubernetes.io/arch": Self.architecture, "node-role.kubernetes.io/control-plane": "",
        ]
        node["spec"] = ["podCIDR": .string(configuration.podRange), "podCIDRs": [.string(configuration.podRange)]]
        return node
    }

    private func status(since old: KubeObject?, now: WallTime) -> JSONValue {
        let resources: JSONValue = [
            "cpu": .string(String(configuration.processors)),
            "memory": .string("\(configuration.memoryBytes / 1024)Ki"),
            "pods": .string(String(configuration.maximumPods)), "ephemeral-storage": "100Gi",
        ]
        let conditions = [
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ].map { type, status, reason, message -> JSONValue in
            let present = old?.condition(type)
            let since = present?["status"]?.string == status ? present?["lastTransitionTime"] : nil
            return [
                "type": .string(type), "status": .string(status), "reason": .string(reason),
                "message": .string(message), "lastHeartbeatTime": .string(now.rfc3339),
                "lastTransitionTime": since ?? .string(now.rfc3339),
            ]
        }
        return [
            "capacity": resources, "allocatable": resources, "conditions": .array(conditions),
            "addresses": [
                ["type": "InternalIP", "address": "127.0.0.1"],
                ["type": "Hostname", "address": .string(name)],
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
