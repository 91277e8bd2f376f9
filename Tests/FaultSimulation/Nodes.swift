// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeTesting
import Synchronization

/// How the pods of a model behave; the name is in the model's URI (`file:///models/slow-3.onnx`).
enum PodHabit: String, CaseIterable {
    /// Ready within seconds.
    case good
    /// Ready after half a minute.
    case slow
    /// Running, never ready.
    case never
    /// The server exits at once, again and again.
    case exits
    /// The image can't be pulled.
    case unpullable

    /// Whether pods get ready in the end.
    var isGood: Bool { self == .good || self == .slow }

    /// The habit that a URI names.
    init(uri: String?) {
        let name = uri?.split(separator: "/").last?.split(separator: "-").first.map(String.init)
        self = name.flatMap(PodHabit.init(rawValue:)) ?? .good
    }
}

/// Plays scheduler, kubelets and the node controller, through the API as they would.
final class Nodes: Sendable {
    private struct State {
        var lost: Set<String> = []
        var addresses: [String: ObjectKey] = [:]
        var nextAddress = 1
        var reports: [String: PodReport] = [:]
    }

    static let names = ["node-1", "node-2"]

    let world: World
    private let process: SimProcess
    let client: KubeClient
    private let random: SeededRandom
    private let state = Mutex(State())

    init(_ world: World) {
        self.world = world
        process = world.scheduler.makeProcess("kubelet")
        client = world.directClient(process)
        random = world.random(for: "nodes")
    }

    /// Looks for new and ending pods after every write.
    func observe(_ write: Write) {
        if write.target.resource == "nodes", write.after?.isLostNode == true, write.before?.isLostNode == false {
            world.profile.tally.note("node: taken for lost by the node controller")
        }
        guard write.target.resource == "pods", let pod = write.after, let uid = pod.uid else { return }
        if write.before?.uid != uid {
            process.spawn { try? await self.live(pod.key, uid) }
        } else if pod.isBeingDeleted, write.before?.isBeingDeleted == false {
            process.spawn { try? await self.end(pod.key, uid) }
        }
    }

    private func sleep(_ seconds: Double) async throws { try await world.scheduler.sleep(for: .seconds(seconds)) }

    /// The pod as it is, unless it is gone or going.
    private func pod(_ key: ObjectKey, _ uid: String) -> KubeObject? {
        let pod = world.mirror.object("pods", key)
        return pod?.uid == uid && pod?.isBeingDeleted == false ? pod : nil
    }

    // MARK: The life of a pod

    private func live(_ key: ObjectKey, _ uid: String) async throws {
        try await sleep(0.05 + random.unit())
        guard let node = try await bind(key, uid) else { return }
        let habit = PodHabit(uri: pod(key, uid)?.servedURI)
        let address = state.withLock { state in
            state.nextAddress += 1
            let address = "10.1.\(state.nextAddress / 250).\(state.nextAddress % 250 + 1)"
            state.addresses[address] = key
            return address
        }
        try await sleep(0.2 + random.unit())
        switch habit {
        case .good, .slow:
            try await report(key, uid, node, PodReport(address: address))
            let extra = world.scenario.faults.contains(.slowPods) && world.isTroubled ? 60 * random.unit() : 0
            try await sleep((habit == .slow ? 20 + 20 * random.unit() : 1 + 3 * random.unit()) + extra)
            try await report(key, uid, node, PodReport(address: address, isReady: true))
            try await crashNowAndThen(key, uid, node, address)
        case .never: try await report(key, uid, node, PodReport(address: address))
        case .unpullable:
            try await report(key, uid, node, PodReport(address: nil, waiting: "ImagePullBackOff"))
        case .exits:
            for restarts in 1...3 {
                try await report(
                    key,
                    uid,
                    node,
                    PodReport(address: address, waiting: "CrashLoopBackOff", restarts: restarts)
                )
                try await sleep(10 * Double(restarts))
            }
        }
    }

    private func bind(_ key: ObjectKey, _ uid: String) async throws -> String? {
        while pod(key, uid) != nil {
            let lost = state.withLock { $0.lost }
            let up = Self.names.filter { name in
                let node = world.mirror.object("nodes", ObjectKey(namespace: nil, name: name))
                return !lost.contains(name) && node?.isTainted != true
            }
            if !up.isEmpty {
                let node = up[Int(random.next() % UInt64(up.count))]
                let patch: JSONValue = ["metadata": ["uid": .string(uid)], "spec": ["nodeName": .string(node)]]
                _ = try await client.patch(.pods, key, .merge(patch))
                return node
            }
            try await sleep(5)
        }
        return nil
    }

    private func crashNowAndThen(_ key: ObjectKey, _ uid: String, _ node: String, _ address: String) async throws {
        guard world.scenario.faults.contains(.podCrash) else { return }
        var restarts = 0
        while true {
            try await sleep(15 + 150 * random.unit())
            guard world.isTroubled, pod(key, uid) != nil else { return }
            guard random.unit() < 0.5 else { continue }
            restarts += 1
            world.profile.tally.note("pod: crashed")
            try await report(
                key,
                uid,
                node,
                PodReport(address: address, waiting: "CrashLoopBackOff", restarts: restarts)
            )
            try await sleep(2 + 20 * random.unit())
            try await report(key, uid, node, PodReport(address: address, restarts: restarts))
            try await sleep(1 + 3 * random.unit())
            try await report(key, uid, node, PodReport(address: address, isReady: true, restarts: restarts))
        }
    }

    /// A pod that is told to go drains, then goes; on a lost node it waits.
    private func end(_ key: ObjectKey, _ uid: String) async throws {
        try await sleep(0.2 + 4 * random.unit())
        while let pod = world.mirror.object("pods", key), pod.uid == uid {
            if !isLost(pod["spec", "nodeName"]?.string) {
                try await remove(key, uid)
                return
            }
            try await sleep(2)
        }
    }

    private func remove(_ key: ObjectKey, _ uid: String) async throws {
        _ = try? await client.delete(.pods, key, options: DeleteOptions(gracePeriodSeconds: 0, uid: uid))
    }

    func isLost(_ node: String?) -> Bool {
        state.withLock { state in node.map { state.lost.contains($0) } ?? false }
    }

    func setLost(_ node: String, _ isLost: Bool) {
        state.withLock { state in
            if isLost { state.lost.insert(node) } else { state.lost.remove(node) }
        }
    }

    /// Says again which pods of a node are ready, where somebody else said otherwise.
    func speakOfPods(on node: String) async throws {
        for pod in world.mirror.all("pods") where pod["spec", "nodeName"]?.string == node && !pod.isReadyPod {
            guard let uid = pod.uid, let last = state.withLock({ $0.reports[uid] }), last.isReady else { continue }
            try await report(pod.key, uid, node, last)
        }
    }

    /// Writes a pod's status, unless its node is lost; then it waits.
    private func report(_ key: ObjectKey, _ uid: String, _ node: String, _ report: PodReport) async throws {
        while isLost(node) { try await sleep(2) }
        guard let pod = pod(key, uid) else { throw CancellationError() }
        state.withLock { $0.reports[uid] = report }
        let status = report.status(of: pod, now: SimClock(world.scheduler).now())
        let patch: JSONValue = ["metadata": ["uid": .string(uid)], "status": status]
        _ = try await client.patch(.pods, key, .merge(patch), subresource: "status")
    }

    // MARK: Losing nodes

    /// Loses a node for a while: its pods turn unready, then are removed, and it comes back empty.
    func lose(_ node: String, for seconds: Double) async throws {
        world.profile.tally.note("node: lost")
        world.trace.note("world", "\(node) is lost for \(Int(seconds)) s")
        state.withLock { _ = $0.lost.insert(node) }
        try await sleep(min(40, seconds))
        for pod in world.mirror.all("pods") where pod["spec", "nodeName"]?.string == node && pod.isReadyPod {
            let lost: JSONValue = [
                "type": "Ready", "status": "False", "reason": "NodeStatusUnknown",
                "lastTransitionTime": .string(SimClock(world.scheduler).now().rfc3339),
            ]
            let rest = pod["status", "conditions"]?.array?.filter { $0["type"] != "Ready" } ?? []
            let patch: JSONValue = [
                "metadata": ["uid": JSONValue(pod.uid) ?? .null], "status": ["conditions": .array(rest + [lost])],
            ]
            _ = try? await client.patch(.pods, pod.key, .merge(patch), subresource: "status")
        }
        try await sleep(max(0, seconds - 40))
        for pod in world.mirror.all("pods") where pod["spec", "nodeName"]?.string == node {
            if let uid = pod.uid { try await remove(pod.key, uid) }
        }
        state.withLock { _ = $0.lost.remove(node) }
        world.trace.note("world", "\(node) is back")
    }

    // MARK: Metrics

    /// The pods' metrics pages: the model's load shared by its ready pods.
    func scrape(_ request: HTTPRequestMessage, load: @Sendable (String) -> Double) async throws -> HTTPResponseMessage {
        try await sleep(0.002 + 0.01 * random.unit())
        let host = String((request.head.authority ?? "").prefix { $0 != ":" })
        guard let key = state.withLock({ $0.addresses[host] }), let pod = world.mirror.object("pods", key),
            pod["status", "podIP"]?.string == host, pod.isReadyPod, !isLost(pod["spec", "nodeName"]?.string),
            let model = pod.labels[FleetAPI.modelLabel]
        else { throw SimLink.ConnectionBroken(description: "connection refused") }
        if world.scenario.faults.contains(.scrapeTrouble), world.isTroubled, random.unit() < 0.3 {
            world.profile.tally.note("scrape: refused or slow")
            if random.unit() < 0.5 { throw SimLink.ConnectionBroken(description: "connection reset by peer") }
            try await sleep(5)
        }
        let ready = world.mirror.readyPods(model: model, revision: pod.revision).count
        let share = load(model) / Double(max(1, ready))
        return HTTPResponseMessage(
            status: .ok,
            text: "modelfleet_queue_length \(share)\nmodelfleet_requests_in_flight \(share)\n"
        )
    }
}

/// What a kubelet says about a pod with one container.
struct PodReport {
    var address: String?
    var isReady = false
    var waiting: String?
    var restarts = 0

    func status(of pod: KubeObject, now: WallTime) -> JSONValue {
        let time = JSONValue.string(now.rfc3339)
        let flag: JSONValue = isReady ? "True" : "False"
        let conditions = [("PodScheduled", "True" as JSONValue), ("ContainersReady", flag), ("Ready", flag)].map {
            type,
            status -> JSONValue in
            let old = pod["status", "conditions"]?.array?.first { $0["type"]?.string == type }
            let since = old?["status"] == status ? old?["lastTransitionTime"] ?? time : time
            return ["type": .string(type), "status": status, "lastTransitionTime": since]
        }
        var container: JSONValue = [
            "name": "server", "image": pod["spec", "containers"]?[0]?["image"] ?? "", "imageID": "",
            "ready": .bool(isReady), "started": .bool(waiting == nil), "restartCount": JSONValue(restarts),
        ]
        if let waiting {
            container["state"] = ["waiting": ["reason": .string(waiting), "message": "as the simulation wants"]]
        } else {
            container["state"] = ["running": ["startedAt": time]]
        }
        if restarts > 0 {
            let end: JSONValue = ["exitCode": 1, "reason": "Error", "message": "the simulated server exits"]
            container["lastState"] = ["terminated": end]
        }
        var status: JSONValue = [
            "phase": waiting == "ImagePullBackOff" ? "Pending" : "Running", "conditions": .array(conditions),
            "containerStatuses": [container], "startTime": pod["status", "startTime"] ?? time,
        ]
        if let address {
            status["podIP"] = .string(address)
            status["podIPs"] = [["ip": .string(address)]]
        }
        return status
    }
}
