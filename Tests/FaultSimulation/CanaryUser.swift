// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel

/// What a user does who rolls out with canaries.
struct CanaryUser: Sendable {
    let random: SeededRandom

    private func pick<Element>(_ items: [Element]) -> Element { items[Int(random.next() % UInt64(items.count))] }

    /// `spec.rollout` of a new model, but for the deadline; every phase of it ends within two minutes.
    func rollout() -> JSONValue {
        let pause: JSONValue = ["durationSeconds": JSONValue(pick([5, 20]))]
        let strategy = pick(["Canary", "Canary", "Canary", "BlueGreen", "Shadow", "RollingUpdate"])
        var rollout: JSONValue = ["strategy": .string(strategy)]
        switch strategy {
        case "Canary":
            rollout["steps"] = [
                ["setWeight": JSONValue(pick([10, 30]))], ["pause": pause], ["setWeight": 60], ["analysis": pause],
            ]
            rollout["dynamicStableScale"] = .bool(random.unit() < 0.3)
            rollout["traffic"] = ["provider": .string(pick(["Local", "Local", "Replicas"]))]
        case "Shadow": rollout["traffic"] = ["provider": "Local"]
        case "BlueGreen":
            rollout["blueGreen"] = [
                "autoPromote": .bool(random.unit() < 0.5), "scaleDownDelaySeconds": JSONValue(pick([5, 15])),
            ]
        default: break
        }
        if strategy != "RollingUpdate" {
            rollout["analysis"] = [
                "onNoData": .string(pick(["Promote", "Rollback", "Wait"])), "durationSeconds": 20,
                "timeoutSeconds": 100,
            ]
        }
        return rollout
    }

    /// What to do with a model's rollout, as a patch; `nil`: something else, mostly.
    func action(_ model: KubeObject?) -> JSONValue? {
        guard random.unit() < 0.4, let model else { return nil }
        let rollout = model["status", "rollout"]
        let nonce = "\(random.next() % 100_000)"
        let place = "\(rollout?["canaryRevision"]?.int ?? 1)/\(rollout?["stepIndex"]?.int ?? 0)"
        switch Int(random.next() % 6) {
        case 0, 1: return request("abort \(place) \(nonce)")
        case 2: return request("promote \(place) \(nonce)")
        case 3: return request("promote-full \(place) \(nonce)")
        case 4: return request("retry \(place) \(nonce)")
        default:
            let isPaused = model["spec", "rollout", "paused"]?.bool ?? false
            return ["spec": ["rollout": ["paused": .bool(!isPaused && random.unit() < 0.5)]]]
        }
    }

    private func request(_ text: String) -> JSONValue {
        ["metadata": ["annotations": [FleetAPI.rolloutRequestAnnotation: .string(text)]]]
    }
}
