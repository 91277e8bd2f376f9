// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Rollouts
import Synchronization
import Telemetry

/// Turns the pages on the scrape board into looks of the canary judge. It reads what was scraped for scaling, and waits for nobody.
///
/// Its memory is where each pod's counters stood. A process that starts anew has none: its first look sets it, and the time since the last
/// look of the process before is lost, whatever happened in it. The same holds where a look's judgement couldn't be stored, and where another
/// process has looked meanwhile.
final class AnalysisFeed: Sendable {
    private struct Entry {
        var memory = AnalysisMemory()
        /// When it was looked last.
        var time: WallTime?
        /// The groups that are scraped for the analysis alone.
        var watched: Set<String> = []
    }

    /// How often pods are scraped that scaling doesn't scrape.
    static let ownInterval = Duration.seconds(2)

    private let board: ScrapeBoard
    private let mappings = RuntimeMappings()
    private let entries = Mutex<[ObjectKey: Entry]>([:])

    /// A feed of what is on `board`.
    init(board: ScrapeBoard) { self.board = board }

    /// What happened on both tracks of a model since its last look.
    ///
    /// Where scaling doesn't scrape the pods (its signals come from a Prometheus server, or something else scales), they are scraped
    /// from the first look on.
    /// - Parameters:
    ///   - canary: the canary's revision.
    ///   - stable: the stable revision.
    ///   - warmup: how long a pod of either track must be ready before it counts.
    func look(
        _ observation: ModelObservation,
        canary: Int,
        stable: Int,
        warmup: Duration
    ) -> AnalysisLook {
        let key = observation.stored.key
        var suffix = ""
        if observation.model.scaling.prometheus != nil || observation.model.scaling.engine == .external {
            suffix = "/analysis"
            for revision in [canary, stable] {
                guard let runtime = observation.runtime(of: revision) else { continue }
                let group = ScrapeGroup(key, revision: revision).name + suffix
                board.watch(
                    group,
                    targets: ModelSignals.targets(observation.pods(of: revision), runtime: runtime),
                    mapping: mappings.mapping(of: runtime),
                    interval: Self.ownInterval
                )
            }
        }
        func seen(_ revision: Int) -> (track: AnalysisTrack, pages: [String: ReplicaReading]) {
            let pods = observation.pods(of: revision).map(TrackPod.init)
            let pages = board.readings(of: ScrapeGroup(key, revision: revision).name + suffix)
            return (AnalysisTrack(revision: revision, pods: pods), pages)
        }
        let (ours, theirs) = (seen(canary), seen(stable))
        let watched = suffix.isEmpty ? [] : Set([canary, stable].map { ScrapeGroup(key, revision: $0).name + suffix })
        let (look, unwatched) = entries.withLock { entries in
            var entry = entries[key] ?? Entry()
            // What another process has counted meanwhile isn't counted again. Status has microseconds.
            if let last = entry.time, let stored = observation.rollout?.lookedAt, stored > last + .milliseconds(1) {
                entry.memory = AnalysisMemory()
            }
            entry.time = observation.time
            entry.memory.patience = max(.seconds(5), .seconds(2 * observation.model.scaling.intervalSeconds))
            let look = entry.memory.look(canary: ours, stable: theirs, warmup: warmup, at: observation.time)
            let unwatched = entry.watched.subtracting(watched)
            entry.watched = watched
            entries[key] = entry
            return (look, unwatched)
        }
        for name in unwatched { board.forget(name) }
        return look
    }

    /// Forgets a model: its rollout is over, or it is gone.
    func forget(_ model: ObjectKey) {
        let watched = entries.withLock { $0.removeValue(forKey: model)?.watched }
        for name in watched ?? [] { board.forget(name) }
    }
}
