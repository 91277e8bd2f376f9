// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel

/// One model in words.
struct ModelReport {
    private let model: KubeObject

    /// A report on `model`.
    init(_ model: KubeObject) { self.model = model }

    /// The models as an aligned table.
    static func table(_ models: [KubeObject], showsNamespace: Bool) -> String {
        var rows = [["NAME", "VERSION", "READY", "REPLICAS", "DESIRED", "ENGINE", "STATUS"]]
        if showsNamespace { rows[0].insert("NAMESPACE", at: 0) }
        for model in models {
            var row = ModelReport(model).row
            if showsNamespace { row.insert(model.namespace ?? "", at: 0) }
            rows.append(row)
        }
        return aligned(rows)
    }

    private var row: [String] {
        let ready = condition("Ready")
        // As in kubectl's columns: the version that serves, which isn't the spec's while a rollout is under way or was given up.
        let version = model["status", "stable", "version"]?.string ?? model["spec", "model", "version"]?.string
        return [
            model.name, version ?? "–", ready?["status"]?.string ?? "Unknown",
            model["status", "ready"]?.string ?? "0/0",
            model["status", "scaling", "desiredReplicas"]?.int.map(String.init) ?? "–",
            model["spec", "scaling", "engine"]?.string ?? "Direct",
            model["status", "summary"]?.string ?? ready?["reason"]?.string ?? "Pending",
        ]
    }

    /// The model with its conditions and the last decision.
    var text: String {
        var text = Self.table([model], showsNamespace: true)
        if let url = model["status", "url"]?.string { text += "\nURL: \(url)\n" }
        text += "\nConditions:\n"
        let conditions = model["status", "conditions"]?.array ?? []
        if conditions.isEmpty { text += "  none yet: is the operator running?\n" }
        text += Self.aligned(
            conditions.map { condition in
                ["  " + (condition["type"]?.string ?? ""), condition["status"]?.string ?? ""]
                    + [condition["reason"]?.string ?? "", condition["message"]?.string ?? ""]
            }
        )
        if let decision = model["status", "scaling", "lastDecision"] {
            text += "\nLast scaling decision: \(decision["message"]?.string ?? decision["reason"]?.string ?? "")\n"
            text += Self.aligned(
                (decision["steps"]?.array ?? []).map { step in
                    let counts = [step["before"], step["after"]].map { $0?.int.map(String.init) ?? "?" }
                    return [
                        "  " + (step["rule"]?.string ?? ""), counts.joined(separator: " → "),
                        step["note"]?.string ?? "",
                    ]
                }
            )
        }
        return text
    }

    private func condition(_ type: String) -> JSONValue? {
        model["status", "conditions"]?.array?.first { $0["type"]?.string == type }
    }

    /// Columns as wide as their widest cell, two spaces between them, nothing behind the last.
    private static func aligned(_ rows: [[String]]) -> String {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count + 2)
            }.joined() + "\n"
        }.joined()
    }
}
