// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Who manages fields, and how.
struct FieldManager: Hashable, Sendable {
    /// The manager's name.
    var name: String
    /// Whether by apply; otherwise by update.
    var isApplier: Bool
    /// The subresource it wrote through; empty for the object itself.
    var subresource: String
    /// The API version of its fields; not a part of an applier's identity.
    var apiVersion: String

    /// As messages name it.
    var text: String {
        var text = JSONValue.string(name).jsonText
        if !subresource.isEmpty { text += " with subresource \"\(subresource)\"" }
        return isApplier ? text : text + " using \(apiVersion)"
    }
}

/// What one manager manages.
struct ManagedFieldsEntry: Sendable {
    /// Its fields.
    var fields: FieldSet
    /// Their API version.
    var apiVersion: String
    /// When they last changed; `nil` when they never did.
    var time: String?
}

/// `metadata.managedFields` as a table.
struct ManagedFields: Sendable {
    /// The entries by manager.
    var entries: [FieldManager: ManagedFieldsEntry] = [:]

    /// The most update entries that are kept; older ones are merged into one. As the API server does.
    private static let maximumUpdateEntries = 10

    /// A table without an entry.
    init() {}

    /// Reads the list of an object; entries that aren't understood are left out.
    init(_ json: JSONValue?) {
        for entry in json?.array ?? [] {
            guard let operation = entry["operation"]?.string, let apiVersion = entry["apiVersion"]?.string else {
                continue
            }
            let isApplier = operation == "Apply"
            let manager = FieldManager(
                name: entry["manager"]?.string ?? "",
                isApplier: isApplier,
                subresource: entry["subresource"]?.string ?? "",
                apiVersion: isApplier ? "" : apiVersion
            )
            let fields = FieldSet(json: entry["fieldsV1"])
            let known = entries[manager]?.fields ?? FieldSet()
            entries[manager] = ManagedFieldsEntry(
                fields: fields.union(known),
                apiVersion: apiVersion,
                time: entry["time"]?.string
            )
        }
    }

    /// The list: appliers first, then by time, name, version and subresource; `nil` when it is empty.
    var json: JSONValue? {
        guard !entries.isEmpty else { return nil }
        let sorted = entries.sorted { left, right in
            if left.key.isApplier != right.key.isApplier { return left.key.isApplier }
            let order = [
                (left.value.time ?? "", right.value.time ?? ""), (left.key.name, right.key.name),
                (left.value.apiVersion, right.value.apiVersion), (left.key.subresource, right.key.subresource),
            ]
            return order.first { $0.0 != $0.1 }.map { $0.0 < $0.1 } ?? false
        }
        return .array(sorted.map { Self.json(manager: $0.key, entry: $0.value) })
    }

    private static func json(manager: FieldManager, entry: ManagedFieldsEntry) -> JSONValue {
        var json: JSONValue = [
            "manager": .string(manager.name), "operation": manager.isApplier ? "Apply" : "Update",
            "apiVersion": .string(entry.apiVersion), "fieldsType": "FieldsV1", "fieldsV1": entry.fields.json,
        ]
        if let time = entry.time { json["time"] = .string(time) }
        if !manager.subresource.isEmpty { json["subresource"] = .string(manager.subresource) }
        return json
    }

    /// Merges the oldest update entries when there are too many.
    mutating func cap() {
        let updaters = entries.filter { !$0.key.isApplier }
            .sorted { ($0.value.time ?? "", $0.key.name) < ($1.value.time ?? "", $1.key.name) }
        guard updaters.count > Self.maximumUpdateEntries else { return }
        for (manager, entry) in updaters.prefix(updaters.count - Self.maximumUpdateEntries + 1) {
            entries[manager] = nil
            let ancient = FieldManager(
                name: "ancient-changes",
                isApplier: false,
                subresource: "",
                apiVersion: entry.apiVersion
            )
            let known = entries[ancient]?.fields ?? FieldSet()
            entries[ancient] = ManagedFieldsEntry(
                fields: entry.fields.union(known),
                apiVersion: entry.apiVersion,
                time: entry.time
            )
        }
    }
}
