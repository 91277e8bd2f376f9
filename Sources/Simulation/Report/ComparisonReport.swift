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
    /// The replica-hours that no schedule undercuts.
    public var lowerBoundHours: Double

    /// The report of a case's results.
    public init(_ load: ComparisonCase, results: [RunResult]) {
        self.load = load.name
        self.results = results
        settings = load.settings
        oracle = load.oracle
        lowerBoundHours = load.lowerBoundHours
        seconds = load.plan.seconds
    }

    /// The share of requests that the objective wants on time, 0 to 1.
    var goal: Double { settings.objectivePercentile / 100 }

    /// The ratio to the oracle's replica-hours.
    func ratio(_ result: RunResult) -> Double { result.replicaHours / max(oracle.replicaHours, 1e-9) }

    /// The columns' titles.
    static let columns = [
        "policy", "on time", "p50", "p95", "p99", "worst minute", "rejected", "replica-hours", "to oracle",
        "scale events",
        "peak",
    ]

    /// The cells of one result.
    public func cells(_ result: RunResult) -> [String] {
        [
            result.policy, Decimal.text(result.attainment * 100, 2) + " %", Self.seconds(result.p50),
            Self.seconds(result.p95),
            Self.seconds(result.p99), result.worstMinute.map { Decimal.text($0 * 100, 1) + " %" } ?? "-",
            String(result.rejected), Decimal.text(result.replicaHours, 2), Decimal.text(ratio(result), 2),
            String(result.scaleEvents), String(result.peakReplicas),
        ]
    }

    /// A result as a clause.
    public func summary(_ result: RunResult) -> String {
        "\(Decimal.text(result.attainment * 100, 2)) % on time with \(Decimal.text(result.replicaHours, 2)) replica-hours, "
            + "\(Decimal.text(ratio(result), 2)) times the oracle's"
    }

    /// The first line for people: what was simulated.
    public var title: String {
        "\(load): \(results.first?.requests ?? 0) requests in \(Decimal.text(seconds / 3600, 2)) h, objective p"
            + "\(Decimal.text(settings.objectivePercentile, 0)) \(Self.seconds(settings.objectiveSeconds)), cold start "
            + "\(Decimal.text(settings.coldStartSeconds, 0)) s, \(settings.concurrency) at a time per replica"
    }

    /// The table for a terminal.
    public var table: String {
        let rows = [Self.columns] + results.map(cells)
        let widths = Self.columns.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + padding : padding + row[column]
            }.joined(separator: "  ")
        }
        return ([title, ""] + lines + ["", oracleText]).joined(separator: "\n") + "\n"
    }

    /// The line for people about what could be had at best.
    var oracleText: String {
        "oracle with perfect knowledge, \(Decimal.text(oracle.attainment * 100, 1)) % on time: "
            + "\(Decimal.text(oracle.replicaHours, 2)) replica-hours; no schedule for the objective needs fewer than "
            + "\(Decimal.text(lowerBoundHours, 2)), and the work alone takes \(Decimal.text(oracle.workHours, 2))"
    }

    /// Everything as JSON.
    public var json: JSONValue {
        let policies = results.map { result -> JSONValue in
            .object([
                "policy": .string(result.policy), "requests": JSONValue(result.requests),
                "attainment": .double(result.attainment), "p50Seconds": .double(result.p50),
                "p95Seconds": .double(result.p95), "p99Seconds": .double(result.p99),
                "worstMinute": result.worstMinute.map { .double($0) } ?? .null, "rejected": JSONValue(result.rejected),
                "replicaHours": .double(result.replicaHours), "ratioToOracle": .double(ratio(result)),
                "scaleUps": JSONValue(result.scaleUps), "scaleDowns": JSONValue(result.scaleDowns),
                "peakReplicas": JSONValue(result.peakReplicas),
            ])
        }
        return .object([
            "load": .string(load), "seconds": .double(seconds), "seed": Self.seed(settings.seed),
            "objective": .object([
                "percentile": .double(settings.objectivePercentile), "seconds": .double(settings.objectiveSeconds),
            ]),
            "fleet": .object([
                "concurrency": JSONValue(settings.concurrency), "coldStartSeconds": .double(settings.coldStartSeconds),
                "serviceSeconds": .double(settings.serviceTime.meanSeconds),
                "balancing": .string(settings.balancing.rawValue), "minReplicas": JSONValue(settings.minReplicas),
                "maxReplicas": JSONValue(settings.maxReplicas),
                "queueLimit": settings.queueLimit.map { JSONValue($0) } ?? .null,
            ]),
            "oracle": .object([
                "replicaHours": .double(oracle.replicaHours), "attainment": .double(oracle.attainment),
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
