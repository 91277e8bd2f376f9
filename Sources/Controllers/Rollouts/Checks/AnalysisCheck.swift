// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Telemetry

/// One further check of an analysis, as `spec.rollout.analysis.checks` has it.
struct AnalysisCheck: Sendable, Hashable {
    /// What is asked.
    enum Question: Sendable, Hashable {
        /// A PromQL query whose values must be within bounds; at least one bound is set.
        case prometheus(PrometheusAddress, query: String, min: Double?, max: Double?)
        /// A POST that must be answered with a status of 2xx.
        case webhook(WebAddress, timeout: Duration)
        /// What the check says can't be asked, as a clause.
        case impossible(String)
    }

    /// The most checks of an analysis.
    static let limit = 20
    /// The longest time for a webhook's answer, and the one by default, in seconds.
    static let timeouts = (longest: 60, usual: 10)

    /// Its name.
    var name: String
    /// What is asked.
    var question: Question

    /// A check.
    init(name: String, _ question: Question) {
        self.name = name
        self.question = question
    }

    /// The checks of an analysis, from `spec.rollout.analysis.checks`. One that says nothing that can be asked stays in the list: it has
    /// no data, and doesn't pass.
    static func list(_ json: JSONValue?) -> [AnalysisCheck] {
        var names: Set<String> = []
        return (json?.array ?? []).prefix(limit).enumerated().map { index, entry in
            let given = entry["name"]?.string.flatMap { $0.isEmpty ? nil : $0 }
            // Answers are kept by name.
            let name = given.flatMap { names.contains($0) ? nil : $0 } ?? "checks[\(index)]"
            names.insert(name)
            return AnalysisCheck(name: name, question(entry))
        }
    }

    private static func question(_ json: JSONValue) -> Question {
        if let prometheus = json["prometheus"] {
            let text = prometheus["address"]?.string ?? ""
            guard let address = PrometheusAddress(text) else {
                return .impossible("\"\(text)\" is no address of a Prometheus server")
            }
            guard let query = prometheus["query"]?.string, !query.isEmpty else { return .impossible("it has no query") }
            let (min, max) = (prometheus["min"]?.double, prometheus["max"]?.double)
            guard min != nil || max != nil else { return .impossible("it has neither min nor max") }
            return .prometheus(address, query: query, min: min, max: max)
        }
        if let webhook = json["webhook"] {
            let text = webhook["url"]?.string ?? ""
            guard let address = WebAddress(text) else { return .impossible("\"\(text)\" is no HTTP address") }
            let seconds = webhook["timeoutSeconds"]?.int ?? timeouts.usual
            return .webhook(address, timeout: .seconds(Swift.min(Swift.max(1, seconds), timeouts.longest)))
        }
        return .impossible("it has neither prometheus nor webhook")
    }
}

/// What the checks are asked about: the canary at one step.
struct CheckContext: Sendable, Hashable {
    /// The model.
    var model: ObjectKey
    /// The canary's revision.
    var revision: Int
    /// The stable revision.
    var stableRevision: Int
    /// The canary's model version; `nil` where the spec has none.
    var version: String?
    /// The step, from 0.
    var step: Int
    /// The canary's share of the traffic in percent.
    var weight: Int

    /// The values of `${...}` in a query.
    var values: [String: String] {
        [
            "namespace": model.namespace ?? "", "model": model.name, "revision": "\(revision)",
            "stableRevision": "\(stableRevision)", "version": version ?? "", "step": "\(step)",
        ]
    }

    /// What a webhook gets.
    func body(check: String) -> [UInt8] {
        let json: JSONValue = [
            "check": .string(check), "namespace": .string(model.namespace ?? ""), "model": .string(model.name),
            "revision": JSONValue(revision), "stableRevision": JSONValue(stableRevision),
            "version": JSONValue(version) ?? .null, "step": JSONValue(step), "weight": JSONValue(weight),
        ]
        return json.encoded()
    }
}
