// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts
import Telemetry

/// What happened on both tracks since the last look: what the judge takes.
struct AnalysisLook: Sendable, Hashable {
    /// On the canary.
    var canary: TrackIncrement
    /// On the stable track, over the same time.
    var stable: TrackIncrement
}

/// One revision's pods as the analysis sees them.
struct AnalysisTrack: Sendable, Hashable {
    /// The revision.
    var revision: Int
    /// Its pods.
    var pods: [TrackPod]
}

/// Where the counters of both tracks' pods stood at the last look.
struct AnalysisMemory: Sendable {
    /// The most remarks of a track: a person reads them.
    static let mostRemarks = 5
    /// How long a pod that isn't seen any more is remembered.
    static let keep = Duration.seconds(600)
    private struct Tally {
        var tally = ReplicaTally()
        var seen: WallTime
    }

    private struct Track {
        var revision: Int
        var tallies: [String: Tally] = [:]
        var evidence = TrackEvidence()
        /// When the newest page arrived that was counted.
        var newest: WallTime?
        /// What couldn't be used of them.
        var remarks: [String] = []

        /// Whether a page is there that wasn't counted.
        func hasNews(_ track: AnalysisTrack, _ pages: [String: ReplicaReading]) -> Bool {
            guard revision == track.revision, let newest else { return true }
            return AnalysisMemory.newest(track, pages) ?? newest > newest
        }
    }

    /// How long a look waits for a new page of each track: where looks are more frequent than pages, each might find another track's,
    /// and never both to compare. A track whose pages stay away holds nothing up for longer.
    var patience = Duration.seconds(5)

    private var canary: Track?
    private var stable: Track?
    /// When pages were counted last.
    private var counted: WallTime?

    /// Nothing seen yet.
    init() {}

    /// What happened since pages were counted last; nothing while one of the tracks has no new page yet. A revision that is new starts
    /// without a memory.
    /// - Parameters:
    ///   - canary: the canary's pods, with their pages by pod.
    ///   - stable: the stable track's.
    ///   - warmup: how long a pod of either track must have been ready at the last look already to count.
    mutating func look(
        canary: (track: AnalysisTrack, pages: [String: ReplicaReading]),
        stable: (track: AnalysisTrack, pages: [String: ReplicaReading]),
        warmup: Duration,
        at time: WallTime
    ) -> AnalysisLook {
        if let counted, time - counted < patience, let ours = self.canary, let theirs = self.stable,
            !ours.hasNews(canary.track, canary.pages) || !theirs.hasNews(stable.track, stable.pages)
        {
            return AnalysisLook(
                canary: TrackIncrement(remarks: ours.remarks),
                stable: TrackIncrement(remarks: theirs.remarks)
            )
        }
        counted = time
        return AnalysisLook(
            canary: Self.add(canary.track, canary.pages, warmup: warmup, at: time, to: &self.canary),
            stable: Self.add(stable.track, stable.pages, warmup: warmup, at: time, to: &self.stable)
        )
    }

    /// When the newest page of a track's pods arrived.
    private static func newest(_ track: AnalysisTrack, _ pages: [String: ReplicaReading]) -> WallTime? {
        track.pods.compactMap { pages[$0.name]?.scrape?.time }.max()
    }

    private static func add(
        _ track: AnalysisTrack,
        _ pages: [String: ReplicaReading],
        warmup: Duration,
        at time: WallTime,
        to known: inout Track?
    ) -> TrackIncrement {
        var memory = known.flatMap { $0.revision == track.revision ? $0 : nil } ?? Track(revision: track.revision)
        memory.evidence.warmup = warmup
        var samples: [PodSample] = []
        var remarks = Remarks()
        var outputs = Set<String>()
        for pod in track.pods.sorted(by: { $0.name < $1.name }) {
            let page = pages[pod.name]
            if let failure = page?.failure { remarks.note("unreadable", "pod \(pod.name): \(failure)") }
            guard let scrape = page?.scrape else { continue }
            var tally = memory.tallies[pod.name]?.tally ?? ReplicaTally()
            tally.add(scrape, incarnation: pod.incarnation)
            memory.tallies[pod.name] = Tally(tally: tally, seen: time)
            for missing in tally.missing { remarks.note(missing.signal.description, "pod \(pod.name): \(missing)") }
            outputs.formUnion(tally.outputs?.keys.map { $0 } ?? [])
            samples.append(
                PodSample(
                    pod: pod.name,
                    // The tally's totals go on through restarts.
                    readySince: pod.readySince,
                    requests: tally.requests,
                    errors: tally.errors,
                    latency: tally.latency.flatMap { BucketCounts(tally: $0) },
                    outputs: tally.outputs.map(OutputCategories.counts)
                )
            )
        }
        memory.tallies = memory.tallies.filter { time - $0.value.seen <= keep }
        var increment = memory.evidence.add(samples, at: time)
        if increment.outputs != nil { increment.outputNames = OutputCategories.names(outputs) }
        increment.remarks = Array((increment.remarks + remarks.clauses).prefix(mostRemarks))
        memory.newest = newest(track, pages)
        memory.remarks = increment.remarks
        known = memory
        return increment
    }
}

/// Clauses about pods, one for each thing that is wrong, however many pods have it.
private struct Remarks {
    private var order: [String] = []
    private var first: [String: String] = [:]
    private var counts: [String: Int] = [:]

    mutating func note(_ kind: String, _ clause: String) {
        if first[kind] == nil {
            first[kind] = clause
            order.append(kind)
        }
        counts[kind, default: 0] += 1
    }

    var clauses: [String] {
        order.compactMap { kind in
            let more = (counts[kind] ?? 1) - 1
            return first[kind].map { more > 0 ? "\($0) (and \(more) more pod\(more == 1 ? "" : "s"))" : $0 }
        }
    }
}

extension BucketCounts {
    /// A tally's histogram; buckets that were read while requests ended are lifted to the ones below them.
    fileprivate init?(tally: LatencyHistogram) {
        var floor = 0.0
        let counts = tally.counts.map { count in
            floor = max(floor, count)
            return floor
        }
        self.init(bounds: tally.bounds, counts: counts)
    }
}
