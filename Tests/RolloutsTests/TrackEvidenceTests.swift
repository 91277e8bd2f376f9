// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Rollouts

@Suite("Track evidence")
struct TrackEvidenceTests {
    private static let start = WallTime(seconds: 1_000_000)

    private func pod(
        named name: String = "a",
        _ requests: Double?,
        _ errors: Double?,
        incarnation: String = "1",
        readySeconds: Double? = 0,
        latency: [Double]? = nil
    ) -> PodSample {
        PodSample(
            pod: name,
            incarnation: incarnation,
            readySince: readySeconds.map { Self.start + .seconds($0) },
            requests: requests,
            errors: errors,
            latency: latency.flatMap { BucketCounts(bounds: [0.1, 1, .infinity], counts: $0) }
        )
    }

    private func at(_ seconds: Int) -> WallTime { Self.start + .seconds(seconds) }

    @Test("the first look sets the base, the second counts the difference, over all pods")
    func differences() {
        var evidence = TrackEvidence()
        #expect(evidence.add([pod(named: "a", 1000, 10), pod(named: "b", 50, 0)], at: at(10)).answers == nil)
        let increment = evidence.add([pod(named: "a", 1100, 12), pod(named: "b", 80, 1)], at: at(20))
        #expect(increment.answers == HitCount(trials: 130, hits: 3))
    }

    @Test("a counter that fell is a restart: all of the pod's counters count from 0")
    func resets() {
        var evidence = TrackEvidence()
        _ = evidence.add([pod(1000, 10, latency: [500, 900, 1000])], at: at(10))
        let increment = evidence.add([pod(40, 15, latency: [10, 30, 40])], at: at(20))
        #expect(increment.answers == HitCount(trials: 40, hits: 15))
        #expect(increment.latency?.total == 40)
        // The restart shows only in the incarnation: more requests than before, and more errors.
        let grown = evidence.add([pod(90, 16, incarnation: "2", latency: [20, 60, 90])], at: at(30))
        #expect(grown.answers == HitCount(trials: 90, hits: 16))
        #expect(grown.latency?.total == 90)
    }

    @Test("a pod counts only after its warm-up, and after a restart's warm-up again")
    func warmup() {
        var evidence = TrackEvidence(warmup: .seconds(30))
        _ = evidence.add([pod(0, 0)], at: at(0))
        #expect(evidence.add([pod(100, 90)], at: at(20)).answers == nil)
        // What happened since a look in the warm-up isn't all after it.
        #expect(evidence.add([pod(180, 93)], at: at(30)).answers == nil)
        #expect(evidence.add([pod(280, 98)], at: at(40)).answers == HitCount(trials: 100, hits: 5))
        #expect(evidence.add([pod(20, 20, incarnation: "2", readySeconds: nil)], at: at(50)).answers == nil)
        #expect(evidence.add([pod(30, 30, incarnation: "2", readySeconds: 55)], at: at(80)).answers == nil)
        #expect(evidence.add([pod(40, 30, incarnation: "2", readySeconds: 55)], at: at(90)).answers == nil)
        #expect(
            evidence.add([pod(90, 31, incarnation: "2", readySeconds: 55)], at: at(100)).answers
                == HitCount(trials: 50, hits: 1)
        )
    }

    @Test("NaN, infinity, negative and missing numbers are never 0", arguments: [Double.nan, .infinity, -1, 1e30, nil])
    func unreadable(_ value: Double?) {
        var evidence = TrackEvidence()
        _ = evidence.add([pod(100, 1)], at: at(10))
        #expect(evidence.add([pod(200, value)], at: at(20)).answers == nil)
        #expect(evidence.add([pod(value, 3)], at: at(30)).answers == nil)
        // The base stayed where it was readable: nothing is counted twice, nothing is lost.
        #expect(evidence.add([pod(300, 4)], at: at(40)).answers == HitCount(trials: 200, hits: 3))
    }

    @Test("a torn page is left out and said, and counts with the next one")
    func torn() {
        var evidence = TrackEvidence()
        _ = evidence.add([pod(100, 1)], at: at(10))
        let increment = evidence.add([pod(101, 9)], at: at(20))
        #expect(increment.answers == nil)
        #expect(increment.remarks == ["pod a says 8 new errors in 1 new requests"])
        #expect(evidence.add([pod(110, 9)], at: at(30)).answers == HitCount(trials: 10, hits: 8))
        // One that started anew counts from 0, torn or not.
        #expect(evidence.add([pod(1, 2)], at: at(40)).answers == nil)
        #expect(evidence.add([pod(5, 2)], at: at(50)).answers == HitCount(trials: 5, hits: 2))
    }

    @Test("histograms that can't be are none")
    func histograms() {
        #expect(BucketCounts(bounds: [1, .infinity], counts: [3, 2]) == nil)
        #expect(BucketCounts(bounds: [1, 2], counts: [1, 2]) == nil)
        #expect(BucketCounts(bounds: [2, 1, .infinity], counts: [1, 2, 3]) == nil)
        #expect(BucketCounts(bounds: [1, .infinity], counts: [.nan, 2]) == nil)
        #expect(BucketCounts(bounds: [], counts: []) == nil)
        let good = BucketCounts(bounds: [1, 2, .infinity], counts: [1, 5, 9])
        #expect(good?.slower(than: 2) == HitCount(trials: 9, hits: 4))
        #expect(good?.slower(than: 1.5) == nil)
    }

    @Test("pods with different buckets are said, and the first one's count")
    func mixedBuckets() {
        var evidence = TrackEvidence()
        let other = BucketCounts(bounds: [0.2, .infinity], counts: [0, 0])
        let pods = [pod(named: "a", 0, 0, latency: [0, 0, 0]), PodSample(pod: "b", readySince: at(0), latency: other)]
        _ = evidence.add(pods, at: at(10))
        let grown = BucketCounts(bounds: [0.2, .infinity], counts: [5, 5])
        let increment = evidence.add(
            [pod(named: "a", 3, 0, latency: [1, 2, 3]), PodSample(pod: "b", readySince: at(0), latency: grown)],
            at: at(20)
        )
        #expect(increment.latency?.total == 3)
        #expect(increment.remarks == ["pods have different latency buckets"])
    }

    @Test("half of the pods stand for themselves, where the rest has something as well")
    func halves() {
        var evidence = TrackEvidence()
        func pods(_ counts: [Double]) -> [PodSample] {
            zip(["a", "b", "c"], counts).map { pod(named: $0, $1, $1 / 10, latency: [0, 0, $1]) }
        }
        _ = evidence.add(pods([0, 0, 0]), at: at(10))
        let increment = evidence.add(pods([100, 20, 300]), at: at(20))
        #expect(increment.answers == HitCount(trials: 420, hits: 42))
        #expect(increment.latency?.total == 420)
        #expect(increment.half?.answers == HitCount(trials: 20, hits: 2))
        #expect(increment.half?.latency?.total == 20)
        var single = TrackEvidence()
        _ = single.add(pods([0]), at: at(10))
        #expect(single.add(pods([100]), at: at(20)).half == nil)
    }
}
