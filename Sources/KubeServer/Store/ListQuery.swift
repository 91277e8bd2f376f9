// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What the query of a list or a watch says.
struct ListQuery: Sendable {
    /// By labels.
    var labels: LabelSelector
    /// By fields.
    var fields: FieldSelector
    /// How many objects a page has at most; zero for all.
    var limit: Int
    /// Where to go on.
    var next: String?
    /// The resource version; `nil` when not given.
    var revision: Int64?
    /// `Exact` or `NotOlderThan`.
    var match: String?
    /// Whether it is a watch.
    var isWatch: Bool
    /// Whether a watch starts with the objects that exist, and says when they are all sent.
    var sendsInitialEvents: Bool?
    /// Whether the watcher understands bookmarks.
    var allowsBookmarks: Bool
    /// When a watch ends, in seconds.
    var timeoutSeconds: Int64?

    /// Reads and checks the query.
    init(_ query: QueryItems, resource: APIResource) throws(APIStatus) {
        isWatch = query.flag("watch")
        allowsBookmarks = query.flag("allowWatchBookmarks")
        limit = max(0, query["limit"].flatMap { Int($0) } ?? 0)
        next = query["continue"].flatMap { $0.isEmpty ? nil : $0 }
        match = query["resourceVersionMatch"].flatMap { $0.isEmpty ? nil : $0 }
        timeoutSeconds = query["timeoutSeconds"].flatMap { Int64($0) }
        sendsInitialEvents = query["sendInitialEvents"].map { $0 != "false" && $0 != "0" }
        do { labels = try LabelSelector(parsing: query["labelSelector"] ?? "") } catch {
            throw .badRequest(error.message)
        }
        do { fields = try FieldSelector(parsing: query["fieldSelector"] ?? "") } catch {
            throw .badRequest(error.message)
        }
        if let unknown = fields.terms.first(where: { !resource.knownFields.contains($0.field) }) {
            let known = resource.knownFields.map { "\"\($0)\"" }.joined(separator: ", ")
            throw .badRequest("\"\(unknown.field)\" is not a known field selector: only \(known)")
        }
        revision = try Self.revision(query["resourceVersion"], isWatch: isWatch)
        try check()
    }

    private static func revision(_ text: String?, isWatch: Bool) throws(APIStatus) -> Int64? {
        guard let text, !text.isEmpty else { return nil }
        if let number = Int64(text), number >= 0, !text.hasPrefix("+") { return number }
        let wrong =
            "resourceVersion: Invalid value: \"\(text)\": strconv.ParseUint: parsing \"\(text)\": invalid syntax"
        throw isWatch ? .plain(wrong) : .badRequest("invalid resource version: " + wrong)
    }

    private func check() throws(APIStatus) {
        var causes: [APIStatus.Cause] = []
        if let sendsInitialEvents {
            if !isWatch {
                causes.append(.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
            } else if match != "NotOlderThan" {
                causes.append(
                    .forbidden(
                        "resourceVersionMatch",
                        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
                    )
                )
            }
            _ = sendsInitialEvents
        } else if let match {
            if isWatch {
                causes.append(
                    .forbidden(
                        "resourceVersionMatch",
                        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
                    )
                )
            } else if revision == nil {
                causes.append(
                    .forbidden(
                        "resourceVersionMatch",
                        "resourceVersionMatch is forbidden unless resourceVersion is provided"
                    )
                )
            } else if !["Exact", "NotOlderThan"].contains(match) {
                causes.append(
                    .unsupported("resourceVersionMatch", .string(match), supported: ["Exact", "NotOlderThan", ""])
                )
            } else if match == "Exact", revision == 0 {
                causes.append(
                    .forbidden(
                        "resourceVersionMatch",
                        "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""
                    )
                )
            }
        }
        if !causes.isEmpty { throw .invalidOptions("ListOptions", causes) }
    }
}
