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
            throw .badRequest(
                "no kind \"\(kind)\" is registered for version \"\(body["apiVersion"]?.string ?? "v1")\" in scheme "
                    + "\"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\""
            )
        }
        let grace = try query.number("gracePeriodSeconds")
        gracePeriodSeconds = body["gracePeriodSeconds"]?.integer ?? grace
        uid = body.at("preconditions", "uid")?.string
        resourceVersion = body.at("preconditions", "resourceVersion")?.string
        let orphans = body["orphanDependents"]?.bool ?? query["orphanDependents"].map { $0 != "false" && $0 != "0" }
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
            if orphans != nil {
                causes.append(
                    .invalid(
                        "propagationPolicy",
                        .string(text),
                        "orphanDependents and deletionPropagation cannot be both set"
                    )
                )
            }
        } else if let orphans {
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
