// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import KubeRuntime
import Scaling
import Telemetry

extension ScalingLoop {
    /// Reads the signals of a model that an HPA scales and keeps them for the metrics API, without deciding.
    func offer(_ key: ObjectKey, _ observation: ModelObservation, revision: Int, now: WallTime) {
        // Of an earlier engine only the cold start stays: the autoscaler and what status shows of it start anew.
        let (watched, coldStarts) = state.offered(key)
        var shown: JSONValue? { stores.models.stored(key)?.value(at: "status", "scaling") }
        var entry = ScalingState.Entry(policy: observation.model.scalingPolicy, shown: coldStarts == nil ? shown : nil)
        if let coldStarts { entry.coldStarts = coldStarts }
        entry.changes = []
        entry.watched = watched
        _ = entry.coldStarts.look(at: observation.pods)
        let seen = signals.read(observation, serving: revision, watched: &entry.watched)
        // What the HPA last asked for; before that, what runs.
        let running = observation.deployment(revision)?["spec", "replicas"]?.int ?? 1
        let count = ModelPlan.externalReplicas(observation.model) ?? running
        var readings: [Signal: ExternalReading] = [:]
        for signal in Signal.allCases {
            let target = observation.model.scaling.targets.first { $0.signal == signal.rawValue }?.value ?? 0
            readings[signal] = ExternalReading(signal, in: seen, target: target, replicas: count, now: now)
        }
        entry.readings = readings
        entry.decided = now
        if state.record(key) != nil { metrics.forget(key) }
        state.keep(entry, for: key)
        setNextLook(key, observation, rests: sawNothing(seen, observation), now: now)
    }
}
