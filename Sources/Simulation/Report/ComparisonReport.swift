// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// The outcome of `modelfleet simulate`: some policies on one load.
public struct ComparisonReport: Sendable {
    /// The load's name.
    public var load: String
    /// The fleet.
    public var settings: FleetSettings
    /// The length of the load in seconds.
    public var seconds: Double
    /// What came of each policy, in the order that was asked for.
    public var results: [RunResult]
    /// The oracle's schedule.
    public var oracle: OracleSchedule
    /// The model whose own settings our policies have; `nil` for the defaults.
    public var model: ModelScaling?
    /// What the load was multiplied by.
    public var scale: Double
    /// The length of the load's intervals in seconds; 0 for request times.
    public var intervalSeconds: Double
    /// The replica-hours that no schedule undercuts; 0 where that isn't known.
    public var lowerBoundHours: Double

    /// The report of a case's results.
    public init(_ load: ComparisonCase, results: [RunResult]) {
        self.load = load.name
        self.results = results
        settings = load.settings
        model = load.model
        scale = load.scale
        intervalSeconds = load.intervalSeconds
        oracle = load.oracle
        lowerBoundHours = load.lowerBoundHours
        seconds = load.plan.seconds
    }

    /// The share of requests that the objective wants on time, 0 to 1.
    var goal: Double { settings.objectivePercentile / 100 }

    /// The ratio to the oracle's replica-hours; `nil` where no number of replicas keeps the objective.
    func ratio(_ result: RunResult) -> Double? {
        if case .service = oracle.shortfall { return nil }
        return result.replicaHours / max(oracle.replicaHours, 1e-9)
    }

    /// The objective's percentile for people: 95, 99.9.
    var percentileText: String {
        let text = Decimal.text(settings.objectivePercentile, 3)
        return String(text.reversed().drop { $0 == "0" }.drop { $0 == "." }.reversed())
    }

    /// Whether the objective's percentile needs a column of its own.
    private var hasOwnPercentile: Bool { ![50, 95, 99].contains(settings.objectivePercentile) }

    /// The columns' titles.
    var columns: [String] {
        ["policy", "on time", "p50", "p95", "p99"] + (hasOwnPercentile ? ["p\(percentileText)"] : [])
            + ["worst minute", "rejected", "replica-hours", "to oracle", "scale events", "peak"]
    }

    /// The cells of one result.
    public func cells(_ result: RunResult) -> [String] {
        let latencies = [result.p50, result.p95, result.p99] + (hasOwnPercentile ? [result.objectiveLatency] : [])
        return [result.policy, Decimal.text(result.attainment * 100, 2) + " %"] + latencies.map(Self.seconds) + [
            result.worstMinute.map { Decimal.text($0 * 100, 1) + " %" } ?? "-", String(result.rejected),
            Self.hours(result.replicaHours), ratio(result).map { Decimal.text($0, 2) } ?? "-",
            String(result.scaleEvents), String(result.peakReplicas),
        ]
    }

    /// Replica-hours for people: two digits after the point, more where these would say little.
    static func hours(_ hours: Double) -> String {
        Decimal.text(hours, hours >= 0.1 || hours == 0 ? 2 : hours >= 0.01 ? 3 : hours >= 0.001 ? 4 : 6)
    }

    /// A result as a clause.
    public func summary(_ result: RunResult) -> String {
        let ratio = ratio(result).map { ", \(Decimal.text($0, 2)) times the oracle's" } ?? ""
        return "\(Decimal.text(result.attainment * 100, 2)) % on time with "
            + "\(Self.hours(result.replicaHours)) replica-hours\(ratio)"
    }

    /// The first line for people: what was simulated.
    public var title: String {
        let model = model.map { " on \($0.name)" } ?? ""
        let count = results.first?.requests ?? 0
        return "\(load)\(model): \(count) request\(count == 1 ? "" : "s") in "
            + "\(TimeSpan.text(seconds, of: seconds, digits: 2)), objective p\(percentileText) "
            + "\(Self.seconds(settings.objectiveSeconds)), cold start \(Decimal.text(settings.coldStartSeconds, 0)) s, "
            + "\(settings.concurrency) at a time per replica"
    }

    /// The table for a terminal.
    public var table: String {
        let rows = [columns] + results.map(cells)
        let widths = columns.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + padding : padding + row[column]
            }.joined(separator: "  ")
        }
        return ([title, ""] + lines + [""] + notes).joined(separator: "\n") + "\n"
    }

    /// The lines for people below the table.
    public var notes: [String] {
        let unseen = model?.notSimulated ?? []
        return [oracleText] + (unseen.isEmpty ? [] : ["not simulated: \(unseen.joined(separator: ", "))"])
    }

    /// What to do where no setting of a policy meets the objective; why nothing helps, where that is certain.
    public var remedy: String {
        switch oracle.shortfall {
        case nil, .schedule: "a looser objective, more replicas (minReplicas, maxReplicas) or a shorter cold start may"
        case .service, .replicas: oracleText
        }
    }

    /// The line for people about what could be had at best.
    var oracleText: String {
        let work = "the work alone takes \(Self.hours(oracle.workHours)) replica-hours"
        let figures =
            "\(Self.hours(oracle.replicaHours)) replica-hours and has \(Decimal.text(oracle.attainment * 100, 1)) % on time "
            + "there (its row is what becomes of it request by request)"
        let origin = "made with perfect knowledge for counts of whole seconds"
        let schedule = "the oracle's schedule, \(origin), takes \(figures)"
        switch oracle.shortfall {
        case nil:
            guard lowerBoundHours > 0 else { return "\(schedule); \(work)" }
            return
                "\(schedule); no schedule for the objective needs fewer than \(Self.hours(lowerBoundHours)), and \(work)"
        case .service(let share):
            return
                "the objective can't be met with any number of replicas: only \(Decimal.text(share * 100, 1)) % of the requests "
                + "take at most \(Self.seconds(settings.objectiveSeconds)) without waiting; \(work)"
        case .replicas(let most): return "the objective can't be met with maxReplicas \(most): \(schedule), and \(work)"
        case .schedule:
            return "the objective isn't met by the oracle's schedule: \(origin), it takes \(figures), and \(work)"
        }
    }

    /// Everything as JSON.
    public var json: JSONValue {
        let policies = results.map { result -> JSONValue in
            .object([
                "policy": .string(result.policy), "requests": JSONValue(result.requests),
                "attainment": .double(result.attainment), "p50Seconds": .double(result.p50),
                "p95Seconds": .double(result.p95), "p99Seconds": .double(result.p99),
                "worstMinute": result.worstMinute.map { .double($0) } ?? .null, "rejected": JSONValue(result.rejected),
                "replicaHours": .double(result.replicaHours),
                "ratioToOracle": ratio(result).map { .double($0) } ?? .null,
                "objectivePercentileSeconds": .double(result.objectiveLatency),
                "scaleUps": JSONValue(result.scaleUps), "scaleDowns": JSONValue(result.scaleDowns),
                "peakReplicas": JSONValue(result.peakReplicas),
            ])
        }
        return .object([
            "load": .string(load), "model": model.map { .string($0.name) } ?? .null, "scale": .double(scale),
            "intervalSeconds": .double(intervalSeconds),
            "notSimulated": .array((model?.notSimulated ?? []).map { .string($0) }), "seconds": .double(seconds),
            "seed": Self.seed(settings.seed),
            "objective": .object([
                "percentile": .double(settings.objectivePercentile), "seconds": .double(settings.objectiveSeconds),
            ]),
            "fleet": .object([
                "concurrency": JSONValue(settings.concurrency), "coldStartSeconds": .double(settings.coldStartSeconds),
                "serviceSeconds": .double(settings.serviceTime.meanSeconds),
                "serviceVariation": .double(settings.serviceTime.squaredVariation.squareRoot()),
                "occupancySlope": .double(settings.occupancySlope),
                "balancing": .string(settings.balancing.rawValue), "minReplicas": JSONValue(settings.minReplicas),
                "scalesToZero": .bool(settings.scalesToZero),
                "maxReplicas": JSONValue(settings.maxReplicas),
                "queueLimit": settings.queueLimit.map { JSONValue($0) } ?? .null,
            ]),
            "oracle": .object([
                "replicaHours": .double(oracle.replicaHours), "attainment": .double(oracle.attainment),
                "meetsObjective": .bool(oracle.shortfall == nil),
                "workHours": .double(oracle.workHours), "lowerBoundHours": .double(lowerBoundHours),
            ]),
            "policies": .array(policies),
        ])
    }

    /// A number where JSON's readers have one for it, else a string.
    private static func seed(_ seed: UInt64) -> JSONValue {
        Int64(exactly: seed).map { .integer($0) } ?? .string(String(seed))
    }

    /// A latency for people.
    static func seconds(_ seconds: Double) -> String {
        seconds < 1 ? Decimal.text(seconds * 1000, 0) + " ms" : Decimal.text(seconds, seconds < 10 ? 2 : 1) + " s"
    }
}
