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

/// What happened on every other pod of a track between two looks.
public struct HalfIncrement: Sendable, Hashable {
    /// The requests and those that failed.
    public var answers: HitCount?
    /// The durations of the requests.
    public var latency: BucketCounts?

    /// A half.
    public init(answers: HitCount? = nil, latency: BucketCounts? = nil) {
        self.answers = answers
        self.latency = latency
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
    /// What each of the categories is called, for sentences; empty where that isn't known.
    public var outputNames: [String]
    /// What of it happened on every other pod: how much pods of one track differ tells how much is chance. `nil` for a single pod.
    public var half: HalfIncrement?
    /// What couldn't be used, as clauses that name the pod.
    public var remarks: [String]

    /// An increment.
    public init(
        answers: HitCount? = nil,
        latency: BucketCounts? = nil,
        outputs: [Int]? = nil,
        outputNames: [String] = [],
        half: HalfIncrement? = nil,
        remarks: [String] = []
    ) {
        self.answers = answers
        self.latency = latency
        self.outputs = outputs
        self.outputNames = outputNames
        self.half = half
        self.remarks = remarks
    }
}

/// Turns the counters of a track's pods into what happened between two looks.
///
/// | the pod | counts |
/// | --- | --- |
/// | is seen for the first time | nothing: where its counters stood before is unknown |
/// | was not ready at the last look, or for less than the warm-up | nothing; its counters are the new base |
/// | has another incarnation, or any counter fell | what its counters say since their start |
/// | has a number that is NaN, infinite, negative or absurd | nothing for that metric; the base stays |
/// | says more new errors than new requests | neither: the page was torn; the base of both stays, so that the next look has them |
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

        /// Whether more requests failed since `base` than there were: the page was written while they were counted.
        func isTorn(since base: Counters) -> Bool {
            guard let requests, let before = base.requests, let errors, let old = base.errors else { return false }
            return errors - old > requests - before
        }
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
        var half = TrackIncrement()
        for (index, sample) in samples.enumerated() {
            if index.isMultiple(of: 2) { add(sample, at: time, &sum) } else { add(sample, at: time, &half) }
        }
        // The half is one only where the rest has something as well.
        let answers = sum.answers == nil ? nil : half.answers
        let latency = sum.latency == nil ? nil : half.latency
        sum.merge(half)
        if answers != nil || latency != nil { sum.half = HalfIncrement(answers: answers, latency: latency) }
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
        // What happened since a look in the warm-up isn't all after it.
        let isWarm = isWarm(sample, base.seen)
        if base.incarnation != now.incarnation || Self.fell(base, now) {
            base.requests = 0
            base.errors = 0
            base.latency = nil
            base.outputs = now.outputs.map { $0.map { _ in 0 } }
            if isWarm { sum.count(now, since: base, latency: now.latency, of: sample.pod) }
        } else if isWarm {
            let latency = base.latency.flatMap { earlier in now.latency.flatMap { $0.since(earlier) } }
            sum.count(now, since: base, latency: latency, of: sample.pod)
        }
        // A base from before the warm-up's end isn't kept for what couldn't be read: what it lacks sets it anew.
        guard isWarm else {
            bases[sample.pod] = now
            return
        }
        let isPair = now.requests != nil && now.errors != nil && !now.isTorn(since: base)
        bases[sample.pod] = Counters(
            incarnation: now.incarnation,
            seen: time,
            // Both or neither: errors of a longer time than their requests would be too many. Those of a torn page count next time.
            requests: isPair ? now.requests : base.requests,
            errors: isPair ? now.errors : base.errors,
            latency: now.latency ?? base.latency,
            outputs: now.outputs ?? base.outputs
        )
    }

    private func isWarm(_ sample: PodSample, _ time: WallTime) -> Bool {
        guard let since = sample.readySince else { return false }
        return time >= since + warmup
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
        latency added: BucketCounts?,
        of pod: String
    ) {
        if let requests = now.requests, let before = base.requests, let errors = now.errors, let old = base.errors {
            let (new, failed) = (requests - before, errors - old)
            if now.isTorn(since: base) {
                remark("pod \(pod) says \(failed) new errors in \(new) new requests")
            } else {
                answers = (answers ?? HitCount()) + HitCount(trials: new, hits: failed)
            }
        }
        if let added { count(added) }
        if let after = now.outputs, let before = base.outputs, after.count == before.count,
            zip(after, before).allSatisfy({ $0 >= $1 })
        {
            count(outputs: zip(after, before).map { $0 - $1 })
        }
    }

    private mutating func count(_ added: BucketCounts) {
        guard let sum = latency else {
            latency = added
            return
        }
        if let both = sum.adding(added) { latency = both } else { remark("pods have different latency buckets") }
    }

    private mutating func count(outputs new: [Int]) {
        guard let sum = outputs else {
            outputs = new
            return
        }
        if sum.count == new.count { outputs = zip(sum, new).map { $0 + $1 } }
    }

    /// Adds what happened on other pods.
    fileprivate mutating func merge(_ other: TrackIncrement) {
        if let more = other.answers { answers = (answers ?? HitCount()) + more }
        if let more = other.latency { count(more) }
        if let more = other.outputs { count(outputs: more) }
        for clause in other.remarks where !remarks.contains(clause) { remark(clause) }
    }
}
