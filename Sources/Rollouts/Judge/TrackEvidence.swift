// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// What one pod's counters say at one scrape.
public struct PodSample: Sendable, Hashable {
    /// The pod's name.
    public var pod: String
    /// What changes when the pod's process starts anew: its UID and restart count, or its start time.
    public var incarnation: String
    /// Since when the pod is ready; `nil` while it isn't, and then its counters aren't evidence.
    public var readySince: WallTime?
    /// All requests that it answered; `nil` where the metric is missing.
    public var requests: Double?
    /// Those among them that failed; `nil` where the metric is missing, which isn't 0.
    public var errors: Double?
    /// The durations of its requests; `nil` where there is no histogram or it can't be read.
    public var latency: BucketCounts?
    /// How many outputs fell into each category; `nil` where that isn't measured.
    public var outputs: [Double]?

    /// A sample.
    public init(
        pod: String,
        incarnation: String = "",
        readySince: WallTime?,
        requests: Double? = nil,
        errors: Double? = nil,
        latency: BucketCounts? = nil,
        outputs: [Double]? = nil
    ) {
        self.pod = pod
        self.incarnation = incarnation
        self.readySince = readySince
        self.requests = requests
        self.errors = errors
        self.latency = latency
        self.outputs = outputs
    }
}

/// What happened on one track between two looks.
public struct TrackIncrement: Sendable, Hashable {
    /// The requests and those that failed; `nil` where no pod says both.
    public var answers: HitCount?
    /// The durations of the requests; `nil` where no pod has a readable histogram.
    public var latency: BucketCounts?
    /// The outputs by category; `nil` where they aren't measured.
    public var outputs: [Int]?
    /// What couldn't be used, as clauses that name the pod.
    public var remarks: [String]

    /// An increment.
    public init(
        answers: HitCount? = nil,
        latency: BucketCounts? = nil,
        outputs: [Int]? = nil,
        remarks: [String] = []
    ) {
        self.answers = answers
        self.latency = latency
        self.outputs = outputs
        self.remarks = remarks
    }
}

/// Turns the counters of a track's pods into what happened between two looks.
///
/// | the pod | counts |
/// | --- | --- |
/// | is seen for the first time | nothing: where its counters stood before is unknown |
/// | is not ready, or ready for less than the warm-up | nothing; its counters are the new base |
/// | has another incarnation, or any counter fell | what its counters say since their start |
/// | has a number that is NaN, infinite, negative or absurd | nothing for that metric; the base stays |
/// | says more new errors than new requests | nothing: the page was torn |
/// | otherwise | the difference to its base |
///
/// It isn't kept in status: after the operator's restart the first look sets the bases, and one interval is lost, which is independent
/// of what happened in it.
public struct TrackEvidence: Sendable, Hashable {
    /// Where a pod's counters stood.
    fileprivate struct Counters: Sendable, Hashable {
        var incarnation: String
        var seen: WallTime
        var requests: Int?
        var errors: Int?
        var latency: BucketCounts?
        var outputs: [Int]?
    }

    /// How long a pod must be ready before it counts.
    public var warmup: Duration
    private var bases: [String: Counters] = [:]

    /// A larger counter is no count of requests: 1e12 is a thousand requests a second for thirty years.
    static let mostCounted = 1e12
    /// How long a pod's base is kept while the pod isn't seen.
    static let keep = Duration.seconds(600)
    /// The most output categories that are compared.
    static let mostCategories = 32

    /// Evidence without a base.
    public init(warmup: Duration = .zero) { self.warmup = warmup }

    /// What happened since the last look.
    public mutating func add(_ samples: [PodSample], at time: WallTime) -> TrackIncrement {
        var sum = TrackIncrement()
        for sample in samples { add(sample, at: time, &sum) }
        bases = bases.filter { time - $0.value.seen <= Self.keep }
        return sum
    }

    private mutating func add(_ sample: PodSample, at time: WallTime, _ sum: inout TrackIncrement) {
        let now = Counters(
            incarnation: sample.incarnation,
            seen: time,
            requests: Self.whole(sample.requests, "requests", sample.pod, &sum),
            errors: Self.whole(sample.errors, "errors", sample.pod, &sum),
            latency: sample.latency,
            outputs: Self.categories(sample.outputs)
        )
        guard var base = bases[sample.pod] else {
            bases[sample.pod] = now
            return
        }
        if base.incarnation != now.incarnation || Self.fell(base, now) {
            base.requests = 0
            base.errors = 0
            base.latency = nil
            base.outputs = now.outputs.map { $0.map { _ in 0 } }
            if isWarm(sample, time) { sum.count(now, since: base, latency: now.latency) }
        } else if isWarm(sample, time) {
            let latency = base.latency.flatMap { earlier in now.latency.flatMap { $0.since(earlier) } }
            sum.count(now, since: base, latency: latency)
        }
        bases[sample.pod] = Counters(
            incarnation: now.incarnation,
            seen: time,
            requests: now.requests ?? base.requests,
            errors: now.errors ?? base.errors,
            latency: now.latency ?? base.latency,
            outputs: now.outputs ?? base.outputs
        )
    }

    private func isWarm(_ sample: PodSample, _ time: WallTime) -> Bool {
        guard let since = sample.readySince else { return false }
        return time - since >= warmup
    }

    private static func fell(_ base: Counters, _ now: Counters) -> Bool {
        let pairs = [
            (base.requests, now.requests), (base.errors, now.errors), (base.latency?.total, now.latency?.total),
        ]
        return pairs.contains { pair in
            guard let before = pair.0, let after = pair.1 else { return false }
            return after < before
        }
    }

    private static func whole(_ value: Double?, _ name: String, _ pod: String, _ sum: inout TrackIncrement) -> Int? {
        guard let value else { return nil }
        guard value.isFinite, value >= 0, value < mostCounted else {
            sum.remark("pod \(pod) says \(value) \(name)")
            return nil
        }
        return Int(value)
    }

    private static func categories(_ values: [Double]?) -> [Int]? {
        guard let values, values.count <= mostCategories,
            values.allSatisfy({ $0.isFinite && $0 >= 0 && $0 < mostCounted })
        else { return nil }
        return values.map { Int($0) }
    }
}

extension TrackIncrement {
    /// The most remarks that are kept.
    static let mostRemarks = 5

    fileprivate mutating func remark(_ clause: String) {
        if remarks.count < Self.mostRemarks { remarks.append(clause) }
    }

    fileprivate mutating func count(
        _ now: TrackEvidence.Counters,
        since base: TrackEvidence.Counters,
        latency added: BucketCounts?
    ) {
        if let requests = now.requests, let before = base.requests, let errors = now.errors, let old = base.errors {
            let (new, failed) = (requests - before, errors - old)
            if failed > new {
                remark("a pod says \(failed) new errors in \(new) new requests")
            } else {
                answers = (answers ?? HitCount()) + HitCount(trials: new, hits: failed)
            }
        }
        if let added {
            if let sum = latency {
                if let both = sum.adding(added) {
                    latency = both
                } else {
                    remark("pods have different latency buckets")
                }
            } else {
                latency = added
            }
        }
        if let after = now.outputs, let before = base.outputs, after.count == before.count,
            zip(after, before).allSatisfy({ $0 >= $1 })
        {
            let new = zip(after, before).map { $0 - $1 }
            if let sum = outputs {
                if sum.count == new.count { outputs = zip(sum, new).map { $0 + $1 } }
            } else {
                outputs = new
            }
        }
    }
}
