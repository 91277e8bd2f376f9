// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel

/// How long pods take from their creation to their readiness; the mean outlives a restart in status.
///
/// Of the time before a node was found at most `nodeLimit` counts: a new node is a matter of minutes, and who waits longer waits
/// for somebody else to leave, which says nothing of the next start.
struct ColdStarts: Sendable, Hashable {
    /// The mean in seconds, the newer ones weighing more; `nil` before one was seen.
    private(set) var meanSeconds: Double?
    /// The pods that were counted or are too old to be.
    private var seen: Set<String> = []
    private var hasLooked = false
    /// The seconds that a cluster may take to add a node: autoscalers of clouds need one to ten minutes.
    private static let nodeLimit = 600.0

    /// Starts from what status says.
    init(shown: JSONValue?) {
        meanSeconds = shown?["coldStartSeconds"]?.double.flatMap { $0 > 0 && $0 < 86_400 ? $0 : nil }
    }

    /// Looks at a model's pods; answers the mean over those that have become ready since the last look.
    ///
    /// A pod whose containers were started again says when it recovered, not how long it takes to start.
    mutating func look(at pods: [KubeObject]) -> Double? {
        var sum = 0.0
        var count = 0
        var names: Set<String> = []
        for pod in pods {
            guard let uid = pod.uid else { continue }
            names.insert(uid)
            // What was there before this process looked is in the mean already, where there is one; or it may have been ready
            // before, and when it gets ready again says nothing.
            if !hasLooked, meanSeconds != nil { seen.insert(uid) }
            guard !seen.contains(uid), let seconds = Self.seconds(pod) else { continue }
            seen.insert(uid)
            sum += seconds
            count += 1
        }
        seen.formIntersection(names)
        hasLooked = true
        guard count > 0 else { return nil }
        let mean = sum / Double(count)
        meanSeconds = meanSeconds.map { $0 + (mean - $0) / 5 } ?? mean
        return mean
    }

    private static func seconds(_ pod: KubeObject) -> Double? {
        guard PodDiagnosis.isReady(pod), let created = pod.creationTimestamp else { return nil }
        let containers = pod["status", "containerStatuses"]?.array ?? []
        guard containers.allSatisfy({ $0["restartCount"]?.int ?? 0 == 0 }) else { return nil }
        let conditions = ConditionSet(pod)
        guard let ready = conditions["Ready"]?.lastTransitionTime else { return nil }
        let scheduled = conditions["PodScheduled"].flatMap { $0.isTrue ? $0.lastTransitionTime : nil } ?? created
        let waited = max(0, (scheduled - created).inSeconds)
        let seconds = (ready - created).inSeconds - max(0, waited - nodeLimit)
        guard seconds >= 0, seconds < 86_400 else { return nil }
        // Kubernetes' times are whole seconds: what takes no time by them took half of one on average.
        return max(0.5, seconds)
    }
}
