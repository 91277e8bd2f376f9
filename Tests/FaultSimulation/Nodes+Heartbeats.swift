// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeTesting

/// Nodes that say by leases that they live, and the real node controllers that judge by these.
extension Nodes {
    /// The namespace of the nodes' leases.
    static let leaseNamespace = "kube-node-lease"
    /// How often a kubelet renews its lease.
    static let renewal = 10.0
    /// After which silence the node controller takes a node for lost (`LocalClusterConfiguration.nodeGrace`).
    static let grace = Duration.seconds(50)

    /// Renews a node's lease until the world is over, and says what is true of the node and its pods where somebody took it
    /// for lost.
    func beat(_ node: String) async throws {
        while !world.isOver {
            if !isLost(node) {
                try? await renew(node)
                try? await speak(of: node)
                try? await speakOfPods(on: node)
            }
            try await world.scheduler.sleep(for: .seconds(Self.renewal))
        }
    }

    private func renew(_ node: String) async throws {
        let key = ObjectKey(namespace: Self.leaseNamespace, name: node)
        let spec: JSONValue = [
            "holderIdentity": .string(node), "leaseDurationSeconds": 40,
            "renewTime": .string(SimClock(world.scheduler).now().rfc3339Micro),
        ]
        if world.mirror.object("leases.coordination.k8s.io", key) != nil {
            try await client.patch(.leases, key, .merge(["spec": spec]))
        } else {
            var lease = KubeObject(.leases, namespace: key.namespace, name: node)
            lease["spec"] = spec
            try await client.create(.leases, lease)
        }
    }

    private func speak(of node: String) async throws {
        let key = ObjectKey(namespace: nil, name: node)
        guard let object = world.mirror.object("nodes", key), !object.isReadyNode else { return }
        let time = JSONValue.string(SimClock(world.scheduler).now().rfc3339)
        let conditions = [
            ("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False"), ("Ready", "True"),
        ].map { type, status -> JSONValue in
            [
                "type": .string(type), "status": .string(status), "reason": "Kubelet", "message": "",
                "lastHeartbeatTime": time, "lastTransitionTime": time,
            ]
        }
        let status: JSONValue = ["status": ["conditions": .array(conditions)]]
        try await client.patch(.nodes, key, .merge(status), subresource: "status")
    }

    /// A node that stops to renew its lease: its pods run on, and nobody hears of them.
    func fallSilent(_ node: String, for seconds: Double, judged: @Sendable () -> Duration?) async throws {
        world.profile.tally.note("node: its heartbeats stop")
        world.trace.note("world", "the heartbeats of \(node) stop for \(Int(seconds)) s")
        let start = world.scheduler.now
        setLost(node, true)
        // The last renewal may be as old as the rest of a period; a request or two go to and fro.
        let noticed = Self.grace + .seconds(15)
        try await world.scheduler.sleep(for: .seconds(min(seconds, noticed.inSeconds)))
        let key = ObjectKey(namespace: nil, name: node)
        if seconds > noticed.inSeconds, !world.isOver, world.scenario.network.isEmpty,
            let since = judged(), since < start, world.mirror.object("nodes", key)?.isReadyNode == true
        {
            world.fail(
                "a silent node is noticed",
                "\(node) is ready \(noticed.inSeconds) s after its heartbeats stopped"
            )
        }
        try await world.scheduler.sleep(for: .seconds(max(0, seconds - noticed.inSeconds)))
        setLost(node, false)
        world.trace.note("world", "\(node) is heard of again")
    }
}

extension KubeObject {
    /// Whether a node's `Ready` condition is true.
    var isReadyNode: Bool { readyCondition?["status"] == "True" }

    /// Whether a node was taken for lost.
    var isLostNode: Bool { readyCondition?["status"] == "Unknown" }

    /// Whether a node has a taint.
    var isTainted: Bool { self["spec", "taints"]?.array?.isEmpty == false }

    private var readyCondition: JSONValue? { self["status", "conditions"]?.array?.first { $0["type"] == "Ready" } }
}
