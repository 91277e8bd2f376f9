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
        limit = max(0, Int(clamping: try query.number("limit") ?? 0))
        next = query["continue"].flatMap { $0.isEmpty ? nil : $0 }
        match = query["resourceVersionMatch"].flatMap { $0.isEmpty ? nil : $0 }
        timeoutSeconds = try query.number("timeoutSeconds")
        sendsInitialEvents = query["sendInitialEvents"] == nil ? nil : query.flag("sendInitialEvents")
        do { labels = try LabelSelector(parsing: query["labelSelector"] ?? "") } catch {
            throw .badRequest(error.message)
        }
        do { fields = try FieldSelector(parsing: query["fieldSelector"] ?? "") } catch {
            throw .badRequest(error.message)
        }
        let version = query["resourceVersion"] ?? ""
        let causes =
            isWatch ? watchCauses(startsAnywhere: version.isEmpty || version == "0") : listCauses(version: version)
        if !causes.isEmpty { throw .invalidOptions("ListOptions", causes) }
        if let unknown = fields.terms.first(where: { !resource.knownFields.contains($0.field) }) {
            if resource.isCustom { throw .badRequest("field label not supported: \(unknown.field)") }
            let known = resource.knownFields.map { "\"\($0)\"" }.joined(separator: ", ")
            throw .badRequest("\"\(unknown.field)\" is not a known field selector: only \(known)")
        }
        revision = try Self.revision(version, isList: !isWatch)
        if !isWatch, next != nil, revision ?? 0 > 0 {
            throw .badRequest("specifying resource version is not allowed when using continue")
        }
    }

    /// Reads a resource version; `nil` for none. A get and a watch say of a wrong one that they failed.
    static func revision(_ text: String?, isList: Bool) throws(APIStatus) -> Int64? {
        guard let text, !text.isEmpty else { return nil }
        if let number = Int64(text), number >= 0, !text.hasPrefix("+") { return number }
        let wrong =
            "resourceVersion: Invalid value: \"\(text)\": strconv.ParseUint: parsing \"\(text)\": invalid syntax"
        throw isList ? .badRequest("invalid resource version: " + wrong) : .plain(wrong)
    }

    /// Whether a list shows the state at `revision`, rather than one that isn't older.
    var isExact: Bool { match == "Exact" || (match == nil && limit > 0 && revision ?? 0 > 0) }

    private typealias Cause = APIStatus.Cause
    private static let isWithContinue = Cause.forbidden(
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden when continue is provided"
    )

    private func listCauses(version: String) -> [APIStatus.Cause] {
        var causes: [Cause] = []
        func forbid(_ why: String) { causes.append(.forbidden("resourceVersionMatch", why)) }
        if let match {
            if version.isEmpty { forbid("resourceVersionMatch is forbidden unless resourceVersion is provided") }
            if next != nil { causes.append(Self.isWithContinue) }
            if !["Exact", "NotOlderThan"].contains(match) {
                causes.append(
                    .unsupported("resourceVersionMatch", .string(match), supported: ["Exact", "NotOlderThan", ""])
                )
            }
            if match == "Exact", version == "0" {
                forbid("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")
            }
        }
        if sendsInitialEvents != nil {
            causes.append(.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
        }
        return causes
    }

    private func watchCauses(startsAnywhere: Bool) -> [APIStatus.Cause] {
        var causes: [Cause] = []
        func forbid(_ why: String) { causes.append(.forbidden("resourceVersionMatch", why)) }
        if sendsInitialEvents != nil, match != "NotOlderThan" {
            forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        }
        if let match {
            if sendsInitialEvents == nil {
                forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
            }
            if match != "NotOlderThan" {
                causes.append(.unsupported("resourceVersionMatch", .string(match), supported: ["NotOlderThan"]))
            }
            if next != nil { causes.append(Self.isWithContinue) }
        } else if startsAnywhere, sendsInitialEvents == nil, next != nil {
            // The server takes such a watch for one that starts with the objects that exist, not older than now.
            causes.append(Self.isWithContinue)
        }
        return causes
    }
}
