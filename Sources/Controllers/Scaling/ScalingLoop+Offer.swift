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
        var (entry, isNews) = undecided(key, observation)
        let seen = signals.read(observation, serving: revision, watched: &entry.watched)
        // What the HPA last asked for; before that, what runs.
        let running = observation.deployment(revision)?["spec", "replicas"]?.int ?? 1
        let count = observation.model.outsideReplicas ?? running
        var readings: [Signal: ExternalReading] = [:]
        for signal in Signal.allCases {
            let target = observation.model.scaling.targets.first { $0.signal == signal.rawValue }?.value ?? 0
            readings[signal] = ExternalReading(signal, in: seen, target: target, replicas: count, now: now)
        }
        entry.readings = readings
        entry.decided = now
        if state.record(key) != nil { metrics.forget(key) }
        state.keep(entry, for: key)
        if isNews { onNews(key) }
        setNextLook(key, observation, rests: sawNothing(seen, observation), now: now)
    }

    /// Measures the cold starts of a model that somebody else scales, for its status; nothing else is read of it, and it is looked at again
    /// when something happens to it.
    func measure(_ key: ObjectKey, _ observation: ModelObservation) {
        var (entry, isNews) = undecided(key, observation)
        if state.record(key) != nil || !entry.watched.isEmpty { state.forget(key) }
        entry.watched = [:]
        state.keep(entry, for: key)
        if isNews { onNews(key) }
    }

    /// The memory of a model that isn't decided here, and whether pods have got ready since the last look. Of an earlier engine only the
    /// cold start stays: the autoscaler and what status shows of it start anew.
    private func undecided(
        _ key: ObjectKey,
        _ observation: ModelObservation
    ) -> (entry: ScalingState.Entry, isNews: Bool) {
        let (watched, coldStarts) = state.offered(key)
        var shown: JSONValue? { stores.models.stored(key)?.value(at: "status", "scaling") }
        var entry = ScalingState.Entry(policy: observation.model.scalingPolicy, shown: coldStarts == nil ? shown : nil)
        if let coldStarts { entry.coldStarts = coldStarts }
        entry.changes = []
        entry.watched = watched
        let isNews = entry.coldStarts.look(at: observation.pods) != nil
        return (entry, isNews)
    }
}
