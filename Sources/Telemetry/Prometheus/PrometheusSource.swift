// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// What to ask a Prometheus server for, by signal.
public struct PrometheusQueries: Sendable, Hashable {
    /// The query of each signal. A result with the label `pod` is per replica, a single one is the track's total.
    ///
    /// Latency is in seconds: the percentile of the objective, as `histogram_quantile(0.95, ...)` gives it.
    public var queries: [SignalKind: String]
    /// The percentile that the latency query gives.
    public var latencyPercentile: Double
    /// How old a sample may be that a query reads.
    public var lookback: Duration
    /// The signals of which a total isn't this track's alone, since their queries name no revision: another track's has it
    /// already.
    public var sharedTotals: Set<SignalKind> = []

    /// Queries.
    public init(_ queries: [SignalKind: String], latencyPercentile: Double = 95, lookback: Duration = .seconds(60)) {
        self.queries = queries
        self.latencyPercentile = latencyPercentile
        self.lookback = lookback
    }

    /// The queries with `${name}` replaced by its value, escaped for a PromQL string.
    public func filled(with values: [String: String]) -> PrometheusQueries {
        var filled = self
        filled.queries = filled.queries.mapValues { Self.filled($0, with: values) }
        return filled
    }

    /// A query with `${name}` replaced by its value, escaped for a PromQL string.
    public static func filled(_ query: String, with values: [String: String]) -> String {
        values.sorted { $0.key < $1.key }.reduce(query) { query, value in
            let escaped = value.value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
                .replacing("\n", with: "\\n")
            return query.replacing("${\(value.key)}", with: escaped)
        }
    }
}

/// Signals from a Prometheus server instead of from the pods.
public struct PrometheusSource: Sendable {
    private let client: PrometheusClient
    private let time: any TimeSource
    private let staleAfter: Duration

    /// A source.
    /// - Parameter staleAfter: how far the server's clock may be off before its answers count as stale.
    public init(client: PrometheusClient, time: any TimeSource, staleAfter: Duration = .seconds(30)) {
        self.client = client
        self.time = time
        self.staleAfter = staleAfter
    }

    /// Asks all queries at once.
    /// - Parameter pods: the ready replicas of the track; other pods in a result are left out.
    public func signals(_ queries: PrometheusQueries, pods: [String]) async -> TrackSignals {
        await withTaskGroup(of: (SignalKind, SignalValue<PrometheusFinding>).self) { group in
            for (signal, query) in queries.queries {
                group.addTask { (signal, await ask(signal, query, lookback: queries.lookback)) }
            }
            var answers: [SignalKind: SignalValue<PrometheusFinding>] = [:]
            for await (signal, answer) in group { answers[signal] = answer }
            return TrackSignals(
                answers: answers,
                pods: pods,
                percentile: queries.latencyPercentile,
                sharedTotals: queries.sharedTotals
            )
        }
    }

    private func ask(_ signal: SignalKind, _ query: String, lookback: Duration) async -> SignalValue<PrometheusFinding>
    {
        do throws(PrometheusQueryError) {
            let answer = try await client.query(query, lookback: lookback)
            return finding(signal, query, answer)
        } catch {
            return .missing(MissingSignal(signal, lookedFor: [query], cause: .unreadable(error.description)))
        }
    }

    private func finding(_ signal: SignalKind, _ query: String, _ answer: PrometheusAnswer) -> SignalValue<
        PrometheusFinding
    > {
        func missing(_ cause: MissingSignal.Cause) -> SignalValue<PrometheusFinding> {
            .missing(MissingSignal(signal, lookedFor: [query], cause: cause))
        }
        let warning = answer.warnings.first.map { " (\($0))" } ?? ""
        guard let first = answer.series.first else {
            return missing(.unreadable("the query \(query) has no result\(warning)"))
        }
        let age = time.now() - WallTime(seconds: first.time)
        guard age <= staleAfter else { return missing(.stale(metric: query, age: age)) }
        let isPerPod = answer.series.allSatisfy { $0.labels["pod"] != nil }
        guard isPerPod || answer.series.count == 1 else {
            let reason = "\(answer.series.count) series, which don't all have the label pod; sum them, or sum by (pod)"
            return missing(.contradictory(metric: query, reason))
        }
        var finding = PrometheusFinding(isPartial: !answer.warnings.isEmpty, age: max(.zero, age))
        var pods: [String: Double] = [:]
        for series in answer.series {
            guard series.value.isFinite, series.value >= 0 else {
                // Without requests a quantile is NaN, as 0/0: one pod's doesn't spoil the others.
                if isPerPod, series.value.isNaN { continue }
                return missing(.unusable(metric: query, value: series.value))
            }
            guard let pod = series.labels["pod"], isPerPod else {
                finding.total = series.value
                return .value(finding)
            }
            guard pods.updateValue(series.value, forKey: pod) == nil else {
                return missing(.contradictory(metric: query, "pod \(pod) is there twice; sum by (pod)"))
            }
        }
        finding.pods = pods
        return .value(finding)
    }
}

/// What one query showed of a track.
struct PrometheusFinding: Sendable, Hashable {
    /// The value for the whole track; `nil` when there is one for each pod.
    var total: Double?
    /// The values by pod.
    var pods: [String: Double]?
    /// Whether the server warned that data may be missing.
    var isPartial: Bool
    /// How old the values are.
    var age: Duration = .zero
}

extension TrackSignals {
    /// The signals of a track from the answers of a Prometheus server.
    ///
    /// A total speaks for all ready replicas, or, when the server warned, for all but one: it may then raise the count and
    /// not lower it. A ready replica that is in no answer is missing.
    init(
        answers: [SignalKind: SignalValue<PrometheusFinding>],
        pods: [String],
        percentile: Double,
        sharedTotals: Set<SignalKind> = []
    ) {
        self.init(parts: [:], now: WallTime(nanoseconds: 0), staleAfter: .zero)
        replicas = pods.count
        self.sharedTotals = sharedTotals
        for signal in SignalKind.allCases {
            guard case .value(let finding)? = answers[signal] else {
                let reason = answers[signal]?.missing ?? MissingSignal(signal, cause: .notMapped)
                set(signal, values: [], missing: pods.count, reason: reason, percentile: percentile)
                continue
            }
            if let total = finding.total {
                let isElsewhere = sharedTotals.contains(signal)
                // What another track's total has already adds nothing but the replicas that it is over.
                guard !isElsewhere || [.queueLength, .inFlight, .requestRate].contains(signal) else { continue }
                let missing = finding.isPartial ? min(1, pods.count) : 0
                set(
                    signal,
                    values: [isElsewhere ? 0 : total],
                    reporting: pods.count - missing,
                    missing: missing,
                    percentile: percentile,
                    age: finding.age
                )
            } else {
                let values = pods.compactMap { finding.pods?[$0] }
                let absent = pods.filter { finding.pods?[$0] == nil }
                let reason = absent.first.map { pod in
                    MissingSignal(signal, cause: .unreadable("the query has no value for pod \(pod)"))
                }
                set(
                    signal,
                    values: values,
                    missing: absent.count,
                    reason: reason,
                    percentile: percentile,
                    age: finding.age
                )
            }
        }
    }
}
