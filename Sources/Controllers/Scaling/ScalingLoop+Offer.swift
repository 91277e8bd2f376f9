// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Scaling
import Telemetry

extension ScalingLoop {
    /// Reads the signals of a model that an HPA scales and keeps them for the metrics API, without deciding.
    func offer(_ key: ObjectKey, _ observation: ModelObservation, revision: Int, now: WallTime) {
        // Nothing of an earlier engine stays: the autoscaler and what status shows of it start anew.
        var entry = ScalingState.Entry(policy: observation.model.scalingPolicy, shown: nil)
        entry.watched = state.watched(key)
        let seen = signals.read(observation, serving: revision, watched: &entry.watched)
        var readings: [Signal: ExternalReading] = [:]
        for signal in Signal.allCases {
            let target = observation.model.scaling.targets.first { $0.signal == signal.rawValue }?.value ?? 0
            readings[signal] = ExternalReading(signal, in: seen, target: target, now: now)
        }
        entry.readings = readings
        entry.decided = now
        if state.record(key) != nil { metrics.forget(key) }
        state.keep(entry, for: key)
        setNextLook(key, observation, rests: sawNothing(seen, observation), now: now)
    }
}
