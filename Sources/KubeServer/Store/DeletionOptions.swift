// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// How an object is to be deleted: the body of a DELETE, and its query.
struct DeletionOptions: Sendable {
    /// What happens to the objects that it owns.
    enum Propagation: String, Sendable {
        /// They follow later.
        case background = "Background"
        /// They go first.
        case foreground = "Foreground"
        /// They stay.
        case orphan = "Orphan"
    }

    /// The wanted grace in seconds.
    var gracePeriodSeconds: Int64?
    /// What happens to what it owns; `nil` for the kind's default.
    var propagation: Propagation?
    /// The uid that the object must have.
    var uid: String?
    /// The resource version that the object must have.
    var resourceVersion: String?
    /// Whether nothing is stored.
    var dryRun = false

    /// Reads the body (`null` for none) and the query, of which the body wins.
    init(body: JSONValue, query: QueryItems) throws(APIStatus) {
        var causes: [APIStatus.Cause] = []
        if let kind = body["kind"]?.string, kind != "DeleteOptions" {
            throw .badRequest("the body of a delete must be DeleteOptions, not \(kind)")
        }
        gracePeriodSeconds = body["gracePeriodSeconds"]?.integer ?? query["gracePeriodSeconds"].flatMap { Int64($0) }
        uid = body.at("preconditions", "uid")?.string
        resourceVersion = body.at("preconditions", "resourceVersion")?.string
        if let text = body["propagationPolicy"]?.string ?? query["propagationPolicy"] {
            propagation = Propagation(rawValue: text)
            if propagation == nil {
                causes.append(
                    .unsupported(
                        "propagationPolicy",
                        .string(text),
                        supported: ["Foreground", "Background", "Orphan", "nil"]
                    )
                )
            }
        } else if let orphans = body["orphanDependents"]?.bool ?? query["orphanDependents"].map({ $0 == "true" }) {
            propagation = orphans ? .orphan : .background
        }
        let dryRuns = (body["dryRun"]?.array ?? []).compactMap(\.string) + query.all("dryRun").filter { !$0.isEmpty }
        dryRun = !dryRuns.isEmpty
        if dryRuns.contains(where: { $0 != "All" }) {
            causes.append(.unsupported("dryRun", .array(dryRuns.map(JSONValue.string)), supported: ["All"]))
        }
        if !causes.isEmpty { throw .invalidOptions("DeleteOptions", causes) }
    }
}
