// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import KubeTesting

/// Plays a user who creates, changes, scales, breaks, deletes and recreates models.
struct User: Sendable {
    let world: World
    let client: KubeClient
    let random: SeededRandom
    /// What there is to do with rollouts; `nil` in worlds without canaries.
    private let canaries: CanaryUser?

    init(_ world: World, _ process: SimProcess) {
        self.world = world
        client = world.directClient(process)
        random = world.random(for: "user")
        canaries = world.scenario.hasCanaries ? CanaryUser(random: world.random(for: "canaries")) : nil
    }

    /// The definitions, the runtime, and the namespace of leases.
    func prepare() async throws {
        for definition in FleetAPI.customResourceDefinitions {
            try await client.create(.customResourceDefinitions, definition)
        }
        try await client.create(.servingRuntimes, ServingRuntime.builtIn)
        try await client.create(.namespaces, KubeObject(.namespaces, namespace: nil, name: "modelfleet-system"))
        for name in Nodes.names { try await client.create(.nodes, KubeObject(.nodes, namespace: nil, name: name)) }
    }

    /// Creates the models, then acts now and then until the trouble ends.
    func act() async throws {
        for number in 0..<world.scenario.models {
            try await create("m\(number)")
            try await sleep(10 * random.unit())
        }
        let pause = world.scenario.troubleTime.inSeconds / Double(world.scenario.userActions + 1)
        for _ in 0..<world.scenario.userActions {
            try await sleep(pause * (0.2 + 1.2 * random.unit()))
            guard world.isTroubled else { return }
            do {
                try await actOnce()
            } catch let error as KubeError {
                world.trace.note("user", "\(error)")
            }
        }
    }

    private func sleep(_ seconds: Double) async throws { try await world.scheduler.sleep(for: .seconds(seconds)) }

    private func pick<Element>(_ items: [Element]) -> Element { items[Int(random.next() % UInt64(items.count))] }

    private func uri() -> JSONValue {
        let draw = random.unit()
        let habit: PodHabit =
            draw < 0.6 ? .good : draw < 0.8 ? .slow : pick([.never, .exits, .unpullable])
        return .string("file:///models/\(habit.rawValue)-\(random.next() % 1000).onnx")
    }

    private func scaling() -> JSONValue {
        let low = 1 + Int(random.next() % 2)
        let behavior: JSONValue = ["scaleDown": ["stabilizationWindowSeconds": JSONValue(pick([0, 30, 60]))]]
        return [
            "engine": "Direct", "minReplicas": JSONValue(low), "maxReplicas": JSONValue(low + Int(random.next() % 4)),
            "intervalSeconds": JSONValue(pick([10, 15])), "behavior": behavior,
        ]
    }

    private func create(_ name: String) async throws {
        var model = KubeObject(.modelDeployments, namespace: "default", name: name)
        model["spec"] = [
            "model": ["format": ["name": "onnx"], "uri": uri()], "scaling": scaling(),
            "rollout": ["progressDeadlineSeconds": JSONValue(pick([60, 90]))],
        ]
        if let rollout = canaries?.rollout() {
            for (field, value) in rollout.object ?? JSONObject() { model.json.set(value, at: "spec", "rollout", field) }
        }
        note("creates \(name)")
        try await client.create(.modelDeployments, model)
    }

    private func note(_ what: String) { world.trace.note("user", what) }

    private func actOnce() async throws {
        let models = world.mirror.all("modeldeployments.modelfleet.dev").map(\.name)
        let key = ObjectKey(namespace: "default", name: models.isEmpty ? "m0" : pick(models))
        if let canaries, let patch = canaries.action(world.mirror.object("modeldeployments.modelfleet.dev", key)) {
            note("\(key): \(patch.jsonText)")
            _ = try await client.patch(.modelDeployments, key, .merge(patch))
            return
        }
        switch Int(random.next() % 12) {
        case 0, 1, 2: try await change(key, ["model": ["uri": uri()]])
        case 3, 4: try await change(key, ["scaling": scaling()])
        case 5: try await change(key, ["resources": ["requests": ["cpu": .string("\(1 + random.next() % 8)")]]])
        case 6:
            let count = JSONValue(1 + Int(random.next() % 5))
            try await change(key, ["scaling": ["engine": "External"], "replicas": count])
        case 7:
            note("deletes \(key)")
            _ = try await client.delete(
                .modelDeployments,
                key,
                options: DeleteOptions(propagation: pick([.background, .foreground, .background]))
            )
            try await sleep(random.unit() < 0.5 ? 0 : 20 * random.unit())
            while world.mirror.object("modeldeployments.modelfleet.dev", key) != nil { try await sleep(1) }
            try await create(key.name)
        case 8: try await create("m\(models.count + 10)")
        case 9: try await breakChild(key)
        case 10:
            let pods = world.mirror.all("pods").filter { $0.labels[FleetAPI.modelLabel] == key.name }
            guard !pods.isEmpty else { return }
            let pod = pick(pods)
            note("deletes pod \(pod.name)")
            _ = try await client.delete(.pods, pod.key)
        default:
            note("deletes \(key) for good")
            _ = try await client.delete(.modelDeployments, key)
        }
    }

    private func change(_ key: ObjectKey, _ spec: JSONValue) async throws {
        note("changes \(key): \(spec.jsonText)")
        _ = try await client.patch(.modelDeployments, key, .merge(["spec": spec]))
    }

    /// Meddles with what the operator made.
    private func breakChild(_ key: ObjectKey) async throws {
        let owner = world.mirror.object("modeldeployments.modelfleet.dev", key)
        let deployments = world.mirror.controlled("deployments.apps", by: owner?.uid)
        guard !deployments.isEmpty else { return }
        let deployment = pick(deployments)
        switch Int(random.next() % 4) {
        case 0:
            note("deletes service \(key)")
            _ = try await client.delete(.services, key)
        case 1:
            note("deletes deployment \(deployment.name)")
            _ = try await client.delete(.deployments, deployment.key)
        case 2:
            note("scales deployment \(deployment.name) to 7")
            try await client.setReplicas(7, of: .deployments, deployment.key)
        default:
            note("changes the image of \(deployment.name)")
            let containers: JSONValue = [["name": "server", "image": "evil:1"]]
            let patch: JSONValue = ["spec": ["template": ["spec": ["containers": containers]]]]
            _ = try await client.patch(.deployments, deployment.key, .strategicMerge(patch))
        }
    }
}
