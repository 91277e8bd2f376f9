// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel

/// What a world at rest must look like: everything is as the specs ask, nothing is left over, and status says so.
struct Rest {
    let mirror: Mirror
    /// Whether deadlines can be judged: with clocks that are off nobody can.
    let knowsTime: Bool

    /// What isn't as it should be, in the order of names; empty when the world is right.
    func differences() -> [String] {
        var found: [String] = []
        let models = mirror.all("modeldeployments.modelfleet.dev")
        for model in models {
            if model.isBeingDeleted {
                found.append("model \(model.name) is still being deleted")
            } else {
                found += differences(of: model).map { "model \(model.name): \($0)" }
            }
        }
        return found + orphans() + leftPods(Set(models.map(\.name)))
    }

    /// What isn't as it should be with nodes that are all heard of again.
    static func differences(ofNodes nodes: [KubeObject]) -> [String] {
        nodes.filter { !$0.isReadyNode || $0.isTainted }.map { "\($0.name) lives, and is said not to" }
    }

    private func orphans() -> [String] {
        let uids = Set(mirror.everything.compactMap(\.object.uid))
        return mirror.everything.filter { entry in
            !entry.object.ownerReferences.isEmpty && !entry.object.ownerReferences.contains { uids.contains($0.uid) }
        }.map { "\($0.resource) \($0.object.name) is an orphan" }
    }

    private func leftPods(_ models: Set<String>) -> [String] {
        mirror.all("pods").filter { pod in
            pod.isBeingDeleted || !(pod.labels[FleetAPI.modelLabel].map { models.contains($0) } ?? false)
        }.map { "pod \($0.name) is left over" }
    }

    // MARK: One model

    private func differences(of model: KubeObject) -> [String] {
        guard let service = mirror.object("services", model.key), service.controller?.uid == model.uid else {
            return ["it has no Service of its own"]
        }
        let deployments = mirror.controlled("deployments.apps", by: model.uid).sorted { $0.revision < $1.revision }
        let uri = model["spec", "model", "uri"]?.string
        let cpu = model["spec", "resources"]?.at("requests", "cpu")
        let ofSpec = deployments.last { deployment in
            let container = deployment["spec", "template", "spec", "containers"]?[0]
            return deployment.servedURI == uri && container?.at("resources", "requests", "cpu") == cpu
        }
        let phase = model["status", "rollout", "phase"]?.string ?? "Settled"
        let isGivenUp = phase == "RolledBack"
        let isHeld = model["spec", "rollout", "paused"]?.bool ?? false
        guard ofSpec != nil || isGivenUp || isHeld else { return ["no Deployment is of its spec"] }
        if phase == "RollingBack", keepsServing(model, deployments) { return deployments.flatMap(workload) }
        guard let selected = mirror.selectedRevision(model.key),
            let serving = deployments.first(where: { $0.revision == selected })
        else { return ["its Service selects no Deployment"] }
        let wanted = ofSpec ?? serving
        var found: [String] = []
        let isGood = PodHabit(uri: uri).isGood
        if !["Settled", "RolledBack", "Failed"].contains(phase), !isHeld {
            found.append("its rollout is still \(phase)")
        }
        if isGivenUp, wanted.revision != selected, wanted.wanted != 0 {
            found.append("revision \(wanted.revision) was given up and has \(wanted.wanted) replicas")
        }
        // What a person holds in its midst stays as it is.
        let isHeldUnderWay = isHeld && wanted.revision != selected && wanted.wanted > 0
        let preview = ObjectKey(namespace: model.namespace, name: "\(model.name)-canary")
        if mirror.object("services", preview) != nil, !isHeldUnderWay {
            found.append("its canary Service is left over")
        }
        if !isHeldUnderWay, let traffic = service.annotations[FleetAPI.trafficAnnotation] {
            found.append("its routes are still \(traffic)")
        }
        if isGood, wanted.revision != selected, !isGivenUp, !isHeld {
            found.append("revision \(wanted.revision) is good, and \(selected) has the traffic")
        }
        let allowed = Set([wanted.revision, selected])
        for deployment in deployments {
            if !allowed.contains(deployment.revision) { found.append("\(deployment.name) is left over") }
            // Both the wanted revision and another one that still serves are kept as they were rendered.
            let image = deployment["spec", "template", "spec", "containers"]?[0]?["image"]?.string
            if image == "evil:1" { found.append("\(deployment.name) has another image") }
            found += workload(deployment)
        }
        found += bounds(model, serving)
        found += endpoints(service, serving)
        return found + status(model, deployments, wanted: wanted, serving: serving)
    }

    /// Whether some rollback waits as `keepsServing` says.
    var hasWaitingRollback: Bool {
        mirror.all("modeldeployments.modelfleet.dev").contains { model in
            model["status", "rollout", "phase"] == "RollingBack"
                && keepsServing(model, mirror.controlled("deployments.apps", by: model.uid))
        }
    }

    /// Whether a rollback waits for a stable revision that never gets ready, and the canary has the requests meanwhile: it is all that
    /// serves.
    private func keepsServing(_ model: KubeObject, _ deployments: [KubeObject]) -> Bool {
        let rollout = model["status", "rollout"]
        func deployment(_ role: String) -> KubeObject? {
            deployments.first { $0.revision == rollout?[role]?.int }
        }
        guard let stable = deployment("stableRevision"), let canary = deployment("canaryRevision") else { return false }
        return !PodHabit(uri: stable.servedURI).isGood
            && !mirror.readyPods(model: model.name, revision: canary.revision).isEmpty
    }

    private func bounds(_ model: KubeObject, _ serving: KubeObject) -> [String] {
        let read = ModelDeployment(model)
        let range = read.scaling.minReplicas...read.scaling.maxReplicas
        guard range.contains(serving.wanted) else { return ["\(serving.wanted) replicas are not within \(range)"] }
        guard read.scaling.engine == .external, let count = read.replicas else { return [] }
        let clamped = min(range.upperBound, max(range.lowerBound, count))
        return serving.wanted == clamped ? [] : ["\(serving.wanted) replicas instead of the \(clamped) of the spec"]
    }

    private func workload(_ deployment: KubeObject) -> [String] {
        var found: [String] = []
        if deployment.isBeingDeleted { found.append("\(deployment.name) is being deleted") }
        let sets = mirror.controlled("replicasets.apps", by: deployment.uid)
        let pods = sets.flatMap { mirror.controlled("pods", by: $0.uid) }
        let isGood = PodHabit(uri: deployment.servedURI).isGood
        let ready = pods.count(where: \.isReadyPod)
        // A rolling update whose pods never get ready stays where it is, with its surge of one pod; one that a controller
        // with an old view began stays at the size of both replica sets.
        let isRolling = !isGood && sets.count > 1
        let surge = isRolling ? 1...max(1, deployment.wanted) : 0...0
        if sets.count != 1, !isRolling { found.append("\(deployment.name) has \(sets.count) replica sets") }
        if pods.count != deployment.wanted, !surge.contains(pods.count - deployment.wanted) {
            found.append("\(deployment.name) has \(pods.count) pods instead of \(deployment.wanted)")
        }
        if ready != (isGood ? deployment.wanted : 0) {
            found.append("\(deployment.name) has \(ready) ready pods of \(deployment.wanted)")
        }
        let said = ["replicas", "readyReplicas"].map { deployment["status", $0]?.int ?? 0 }
        if said != [pods.count, ready] {
            found.append("\(deployment.name) says \(said) of its replicas and ready ones, not \([pods.count, ready])")
        }
        if deployment["status", "observedGeneration"]?.integer != deployment.generation {
            found.append("the status of \(deployment.name) is of an older generation")
        }
        return found
    }

    private func endpoints(_ service: KubeObject, _ serving: KubeObject) -> [String] {
        let slices = mirror.controlled("endpointslices.discovery.k8s.io", by: service.uid)
        let ready = slices.flatMap { $0["endpoints"]?.array ?? [] }.filter { $0.at("conditions", "ready") == true }
            .compactMap { $0["addresses"]?[0]?.string }.sorted()
        let model = serving.labels[FleetAPI.modelLabel] ?? ""
        let pods = mirror.readyPods(model: model, revision: serving.revision)
            .compactMap { $0["status", "podIP"]?.string }.sorted()
        return ready == pods ? [] : ["its endpoints are \(ready), its ready pods \(pods)"]
    }

    private func status(
        _ model: KubeObject,
        _ deployments: [KubeObject],
        wanted: KubeObject,
        serving: KubeObject
    ) -> [String] {
        var found: [String] = []
        let status = model["status"] ?? .emptyObject
        func expect(_ what: String, _ seen: JSONValue?, _ truth: JSONValue?) {
            if seen != truth {
                found.append(
                    "status says \(what) \(seen?.jsonText ?? "nothing"), true is \(truth?.jsonText ?? "nothing")"
                )
            }
        }
        // One track counts, unless tracks share the load.
        let counted = status.at("rollout", "isSharing") == true ? deployments.map(\.revision) : [serving.revision]
        let pods = mirror.all("pods").filter { pod in
            pod.labels[FleetAPI.modelLabel] == model.name && counted.contains(pod.revision)
        }
        let servingReady = mirror.readyPods(model: model.name, revision: serving.revision).count
        expect("observedGeneration", status["observedGeneration"], model.generation.map { .integer($0) })
        expect("replicas", status["replicas"], JSONValue(pods.count))
        expect("readyReplicas", status["readyReplicas"], JSONValue(pods.count(where: \.isReadyPod)))
        expect("stable.revision", status.at("stable", "revision"), JSONValue(serving.revision))
        expect("stable.readyReplicas", status.at("stable", "readyReplicas"), JSONValue(servingReady))
        let isGivenUp = status.at("rollout", "phase") == "RolledBack"
        let isHeld = model["spec", "rollout", "paused"] == true
        let hasCanary = wanted.revision != serving.revision && !isGivenUp && (!isHeld || wanted.wanted > 0)
        let canary = hasCanary ? JSONValue(wanted.revision) : nil
        expect("canary.revision", status.at("canary", "revision"), canary)
        expect("ready", status["ready"], .string("\(servingReady)/\(serving.wanted)"))
        expect(
            "selector",
            status["selector"],
            .string("\(FleetAPI.modelLabel)=\(model.name),\(FleetAPI.revisionLabel)=\(serving.revision)")
        )
        let conditions = ConditionSet(model)
        func expect(_ type: String, _ truth: Bool) {
            if conditions.isTrue(type) != truth {
                found.append("condition \(type) is \(!truth): \(conditions[type]?.message ?? "missing")")
            }
            let seen = conditions[type]?.observedGeneration
            if seen != model.generation { found.append("condition \(type) is of generation \(seen ?? 0)") }
        }
        let isGood = PodHabit(uri: wanted.servedURI).isGood
        expect("Ready", servingReady > 0)
        if isGood { expect("Progressing", false) }
        if isGivenUp {
            expect("RolloutHealthy", false)
        } else if isGood || knowsTime, !isHeld {
            expect("RolloutHealthy", isGood)
        }
        return found
    }
}
