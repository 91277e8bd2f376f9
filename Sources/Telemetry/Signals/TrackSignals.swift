// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import Scaling

/// The signals of all ready replicas of a track, folded: sums, and one merged view of the durations.
public struct TrackSignals: Sendable, Hashable {
    /// One replica's part: its signals, or why there are none.
    public enum Part: Sendable, Hashable {
        /// The replica reported.
        case reported(ReplicaSignals)
        /// The replica could not be read; a clause says why.
        case missing(String)
        /// The replica's first scrape hasn't ended yet: it counts neither as read nor as missing.
        case pending
    }

    /// How many replicas the track has, read or not.
    public internal(set) var replicas = 0
    /// How many the other tracks have whose demand was added, read or not.
    public private(set) var replicasElsewhere = 0
    /// How many of those are on tracks that get requests.
    public private(set) var carryingElsewhere = 0
    /// The sums by signal; a signal that no replica reports is left out.
    public private(set) var readings: [Signal: SignalReading] = [:]
    /// The same with what is known of the replicas that didn't report; every signal has an entry.
    public private(set) var partial: [SignalKind: PartialReading] = [:]
    /// The durations of the requests that ended in the interval; `nil` when no replica reports it.
    public private(set) var latency: LatencyEvidence?
    /// How many replicas are in `latency`.
    public private(set) var latencyReporting = 0
    /// How many replicas of the other tracks are in it as well.
    public private(set) var latencyElsewhere = 0
    /// The fullest cache of a replica, 0 to 1; `nil` when no replica reports it.
    public private(set) var cacheUsage: Double?
    /// Errors per request, 0 to 1; `nil` without a request or without a reading.
    public private(set) var errorRatio: Double?
    /// The replicas without a page, in the order of their names.
    public private(set) var missing: [MissingReplica] = []
    /// The same of the other tracks.
    public private(set) var missingElsewhere: [MissingReplica] = []
    /// Of each signal that some page doesn't have: why, on the first such replica in the order of their names.
    public private(set) var missingSignals: [SignalKind: MissingSignal] = [:]
    /// The age of the oldest page.
    public private(set) var age: Duration = .zero
    /// Seconds of CPU time a second, over the tracks that get requests.
    public private(set) var cpu: SignalReading?
    /// Requests that are being worked on.
    public private(set) var running: SignalReading?
    /// Requests a second that arrived.
    public private(set) var arrivals: SignalReading?
    /// The replicas whose first scrape hasn't ended yet.
    public private(set) var pending = 0
    /// By signal, the replicas of the other tracks that don't show it: what they carry isn't in the demand.
    private var silentElsewhere: [SignalKind: Int] = [:]
    /// By signal, those of them that are just new: their first scrape hasn't ended yet, or the signal needs two pages.
    private var newElsewhere: [SignalKind: Int] = [:]
    /// By signal, the replicas that don't show it yet, since it needs two pages.
    private var firstReadings: [SignalKind: Int] = [:]
    /// The signals for which the track's own replicas have no metric.
    private var unmapped: Set<SignalKind> = []
    /// The signals of which another track's total has this track's part already.
    var sharedTotals: Set<SignalKind> = []

    /// Folds `parts`; a page older than `staleAfter` counts as missing.
    public init(parts: [String: Part], now: WallTime, staleAfter: Duration) {
        var fresh: [ReplicaSignals] = []
        for (pod, part) in parts.sorted(by: { $0.key < $1.key }) {
            switch part {
            case .pending: pending += 1
            case .missing(let reason): missing.append(MissingReplica(pod: pod, reason: reason))
            case .reported(let signals):
                let age = now - signals.time
                guard age <= staleAfter else {
                    let seconds = Int(age.inSeconds)
                    missing.append(MissingReplica(pod: pod, reason: "the last metrics are \(seconds) s old"))
                    continue
                }
                self.age = max(self.age, age)
                fresh.append(signals)
            }
        }
        replicas = parts.count
        let count = parts.count - pending
        cpu = sum(fold(.cpu, nil, fresh.map(\.cpu), of: count))
        running = sum(fresh.compactMap(\.running))
        arrivals = sum(fresh.compactMap(\.arrivalRate))
        fold(.queueLength, .queueLength, fresh.map(\.queueLength), of: count)
        fold(.inFlight, .inFlight, fresh.map(\.inFlight), of: count)
        fold(.requestRate, .requestRate, fresh.map(\.requestRate), of: count)
        let errors = fold(.errorRate, nil, fresh.map(\.errorRate), of: count)
        cacheUsage = fold(.cacheUsage, nil, fresh.map(\.cacheUsage), of: count).max()
        let durations = note(.latency, fresh.map(\.latency))
        latencyReporting = durations.count
        if let first = durations.first { latency = durations.dropFirst().reduce(first) { $0.merging($1) } }
        partial[.latency] = PartialReading(values: durations.map(\.total), missing: count - durations.count)
        if !errors.isEmpty, let rate = readings[.requestRate]?.total, rate > 0 {
            errorRatio = min(1, errors.reduce(0, +) / rate)
        }
    }

    /// The reading of a latency objective's percentile.
    public func latencyReading(percentile: Double) -> LatencyReading? {
        guard let latency else { return nil }
        let rate = readings[.requestRate]?.total ?? 0
        var reading = LatencyReading(
            milliseconds: latency.percentile(percentile).map { $0 * 1000 },
            requestRate: latency.observations == 0 ? 0 : max(rate, .leastNormalMagnitude),
            reporting: latencyReporting,
            elsewhere: latencyElsewhere,
            age: age
        )
        reading.isLowerBound = latency.isLowerBound(percentile)
        return reading
    }

    /// How many replicas were read once and don't show one of these signals yet, since it needs two pages.
    public func readOnce(_ kinds: some Sequence<SignalKind>) -> Int { kinds.map { firstReadings[$0] ?? 0 }.max() ?? 0 }

    /// How many replicas of the other tracks weren't read, or don't show one of these signals although this track's do.
    public func unreadElsewhere(_ signals: some Sequence<Signal>) -> Int {
        signals.filter { readings[$0] != nil }.map { silentElsewhere[$0.kind] ?? 0 }.max() ?? 0
    }

    /// How many of `unreadElsewhere` are just new, and no trouble: their pages are under way.
    public func newElsewhere(_ signals: some Sequence<Signal>) -> Int {
        let kinds = signals.filter { readings[$0] != nil }.map(\.kind)
        let troubled = kinds.map { (silentElsewhere[$0] ?? 0) - (newElsewhere[$0] ?? 0) }.max() ?? 0
        return max(0, unreadElsewhere(signals) - troubled)
    }

    /// The totals with those of another track of the same model added: one demand, whoever serves it.
    ///
    /// How many replicas report stays this track's: the other's pods are no capacity of it, and are counted apart (`elsewhere`).
    /// - Parameter isCarrying: whether requests are sent to the other track. Where they aren't, its replicas don't count as some that do
    ///   what the totals say.
    public func adding(demandOf other: TrackSignals, counting isCarrying: Bool = true) -> TrackSignals {
        var sum = self
        sum.addDemand(other, counting: isCarrying)
        return sum
    }

    /// Adds another track's totals.
    ///
    /// Of a signal that no replica of this track shows, what a track that carries requests shows is the demand: it may raise the count, and
    /// never lowers it, since no replica of this track reports. One for which this track has no metric stays missing.
    private mutating func addDemand(_ other: TrackSignals, counting isCarrying: Bool) {
        for kind in SignalKind.allCases {
            silentElsewhere[kind, default: 0] += other.pending + (other.partial[kind]?.missing ?? 0)
            newElsewhere[kind, default: 0] += other.pending + other.readOnce([kind])
        }
        replicasElsewhere += other.replicas
        missingElsewhere += other.missing
        if isCarrying {
            carryingElsewhere += other.replicas
            makeRoom(for: other)
            cpu?.add(other.cpu, counting: true)
        }
        for signal in readings.keys { readings[signal]?.add(other.readings[signal], counting: isCarrying) }
        running?.add(other.running, counting: isCarrying)
        arrivals?.add(other.arrivals, counting: isCarrying)
        guard let theirs = other.latency, latency != nil || isCarrying && mayShow(.latency) else { return }
        latency = latency?.merging(theirs) ?? theirs
        if isCarrying { latencyElsewhere += other.latencyReporting }
    }

    /// Begins a sum of each signal that another track shows and none of this track's replicas does.
    private mutating func makeRoom(for other: TrackSignals) {
        age = max(age, other.age)
        for (kind, reason) in other.missingSignals
        where missingSignals[kind] == nil && partial[kind]?.reporting ?? 0 == 0 {
            missingSignals[kind] = reason
        }
        let nothing = SignalReading(total: 0, reporting: 0)
        for signal in other.readings.keys where readings[signal] == nil && mayShow(signal.kind) {
            if !other.sharedTotals.contains(signal.kind) { readings[signal] = nothing }
        }
        if other.running != nil, running == nil, mayShow(.inFlight) { running = nothing }
        if other.arrivals != nil, arrivals == nil, mayShow(.requestRate) { arrivals = nothing }
        if other.cpu != nil, cpu == nil { cpu = nothing }
    }

    /// Whether a replica of this track could show a signal.
    private func mayShow(_ kind: SignalKind) -> Bool { replicas == 0 || !unmapped.contains(kind) }

    /// The same signals after `time` has passed.
    public func aged(by time: Duration) -> TrackSignals {
        var aged = self
        aged.age += time
        for signal in readings.keys { aged.readings[signal]?.age += time }
        aged.cpu?.age += time
        aged.running?.age += time
        aged.arrivals?.age += time
        return aged
    }

    private func sum(_ values: [Double]) -> SignalReading? {
        values.isEmpty ? nil : SignalReading(total: values.reduce(0, +), reporting: values.count, age: age)
    }

    @discardableResult
    private mutating func fold(
        _ kind: SignalKind,
        _ signal: Signal?,
        _ all: [SignalValue<Double>],
        of replicas: Int
    ) -> [Double] {
        let values = note(kind, all)
        partial[kind] = PartialReading(values: values, missing: replicas - values.count)
        if let signal, !values.isEmpty {
            readings[signal] = SignalReading(total: values.reduce(0, +), reporting: values.count, age: age)
        }
        return values
    }

    /// The values that are there; the first reason why one isn't is noted.
    private mutating func note<Value>(_ kind: SignalKind, _ all: [SignalValue<Value>]) -> [Value] {
        if let first = all.lazy.compactMap(\.missing).first {
            missingSignals[kind] = first
            if first.cause == .notMapped { unmapped.insert(kind) }
        }
        firstReadings[kind] = all.count { $0.missing?.cause == .firstReading }
        return all.compactMap(\.value)
    }

    /// Sets a signal that was read by other means than from pages.
    mutating func set(
        _ kind: SignalKind,
        values: [Double],
        reporting: Int? = nil,
        missing: Int,
        reason: MissingSignal? = nil,
        percentile: Double,
        age: Duration = .zero
    ) {
        self.age = max(self.age, age)
        var reading = PartialReading(values: values, missing: missing)
        let count = reporting ?? values.count
        reading.reporting = count
        if let reporting, reporting > 0 { reading.largest = reading.total / Double(reporting) }
        partial[kind] = reading
        missingSignals[kind] = reason
        if reason?.cause == .notMapped { unmapped.insert(kind) }
        guard !values.isEmpty else { return }
        let sum = SignalReading(total: reading.total, reporting: count, age: age)
        switch kind {
        case .queueLength: readings[.queueLength] = sum
        case .inFlight:
            readings[.inFlight] = sum
            let waiting = readings[.queueLength]?.total ?? 0
            // Fewer in flight than wait: those that wait aren't among them, as on a page.
            let atWork = reading.total < waiting ? reading.total : reading.total - waiting
            running = SignalReading(total: atWork, reporting: count, age: age)
        case .requestRate: readings[.requestRate] = sum
        case .cacheUsage: cacheUsage = values.max()
        case .cpu: cpu = sum
        case .latency:
            latency = LatencyEvidence(quantiles: [percentile / 100: values.max() ?? 0])
            latencyReporting = count
        case .errorRate:
            if let rate = readings[.requestRate]?.total, rate > 0 { errorRatio = min(1, reading.total / rate) }
        }
    }
}

extension SignalReading {
    /// Adds what another track's replicas show.
    fileprivate mutating func add(_ other: SignalReading?, counting isCarrying: Bool) {
        guard let other else { return }
        total += other.total
        if isCarrying { elsewhere += other.reporting }
        age = max(age, other.age)
    }
}

extension Signal {
    /// The signal as telemetry calls it.
    public var kind: SignalKind {
        switch self {
        case .queueLength: .queueLength
        case .inFlight: .inFlight
        case .requestRate: .requestRate
        }
    }
}
