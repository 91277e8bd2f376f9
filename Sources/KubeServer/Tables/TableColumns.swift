// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// The columns of each kind's table.
enum TableColumns {
    /// The columns of a resource.
    static func of(_ resource: APIResource) -> [TableColumn] {
        if let custom = resource.custom { return CustomColumns.columns(custom.columns) }
        return resource.storage.qualifiedName == "events" ? EventColumns.all : [name] + special(resource)
    }

    private static func special(_ resource: APIResource) -> [TableColumn] {
        switch resource.storage.qualifiedName {
        case "pods": WorkloadColumns.pods
        case "deployments.apps": WorkloadColumns.deployments
        case "replicasets.apps": WorkloadColumns.replicaSets
        case "horizontalpodautoscalers.autoscaling": WorkloadColumns.autoscalers
        case "poddisruptionbudgets.policy": WorkloadColumns.disruptionBudgets
        case "services": NetworkColumns.services
        case "endpointslices.discovery.k8s.io": NetworkColumns.endpointSlices
        case "nodes": NodeColumns.all
        case "namespaces": [text("Status", "The phase of the namespace.", "status", "phase"), age]
        case "configmaps": [count("Data", "How many entries there are.", ["data"], ["binaryData"]), age]
        case "secrets":
            [
                text("Type", "What the data is for.", "type"), count("Data", "How many entries there are.", ["data"]),
                age,
            ]
        case "serviceaccounts": [age]
        case "leases.coordination.k8s.io": [text("Holder", "Who holds the lease.", "spec", "holderIdentity"), age]
        case "customresourcedefinitions.apiextensions.k8s.io":
            [
                TableColumn("Created At", type: "date", about: "When the object was created.") { object, _ in
                    object.json.at("metadata", "creationTimestamp") ?? "<unknown>"
                }
            ]
        case "apiservices.apiregistration.k8s.io": NetworkColumns.apiServices
        default: [age]
        }
    }

    /// The name.
    static let name = TableColumn("Name", format: "name", about: "The name, unique in its namespace.") { object, _ in
        .string(object.name)
    }

    /// How long ago the object was created.
    static let age = TableColumn("Age", about: "The time since the object was created.") { object, now in
        .string(HumanDuration.since(object.json.at("metadata", "creationTimestamp"), now))
    }

    /// A column with the text at a path; empty when missing.
    static func text(_ name: String, _ about: String, wide: Bool = false, _ path: String...) -> TableColumn {
        TableColumn(name, about: about, wide: wide) { object, _ in
            .string(object.json.value(at: path)?.string ?? "")
        }
    }

    /// A column with the number at a path; zero when missing.
    static func number(
        _ name: String,
        type: String = "string",
        _ about: String,
        _ path: String...
    ) -> TableColumn {
        TableColumn(name, type: type, about: about) { object, _ in
            .integer(object.json.value(at: path)?.integer ?? 0)
        }
    }

    private static func count(_ name: String, _ about: String, _ paths: [String]...) -> TableColumn {
        TableColumn(name, about: about) { object, _ in
            .integer(Int64(paths.map { object.json.value(at: $0)?.object?.count ?? 0 }.reduce(0, +)))
        }
    }

    /// Labels as `a=b,c=d`, or `<none>`.
    static func labels(_ json: JSONValue?) -> String {
        let pairs = (json?.object ?? JSONObject()).map { "\($0.key)=\($0.value.string ?? "")" }
        return pairs.isEmpty ? "<none>" : pairs.joined(separator: ",")
    }

    /// A label selector as text, or `<none>`.
    static func selector(_ json: JSONValue?) -> String {
        guard let json, let selector = try? LabelSelector(json), !selector.requirements.isEmpty else { return "<none>" }
        return selector.queryText
    }

    /// One member of each of a list's objects, joined with commas.
    static func joined(_ list: JSONValue?, _ member: String) -> String {
        (list?.array ?? []).compactMap { $0[member]?.string }.joined(separator: ",")
    }
}

/// The columns of events.
enum EventColumns {
    /// All of them.
    static let all: [TableColumn] = [
        TableColumn("Last Seen", about: "When it was last seen.") { event, now in
            let last = event["series", "lastObservedTime"] ?? event["lastTimestamp"] ?? event["deprecatedLastTimestamp"]
            return .string(HumanDuration.since(last == .null ? event["eventTime"] : last ?? event["eventTime"], now))
        },
        TableColumns.text("Type", "Normal or Warning.", "type"),
        TableColumns.text("Reason", "A short word for the cause.", "reason"),
        TableColumn("Object", about: "The object that it is about.") { event, _ in
            .string(object(event["involvedObject"] ?? event["regarding"]))
        },
        TableColumn("Subobject", about: "The part of the object.", wide: true) { event, _ in
            (event["involvedObject"] ?? event["regarding"])?["fieldPath"] ?? ""
        },
        TableColumn("Source", about: "Who reported it.", wide: true) { event, _ in
            let source = event["source"] ?? event["deprecatedSource"]
            let reporter = event["reportingComponent"] ?? event["reportingController"]
            let component = source?["component"]?.string ?? reporter?.string ?? ""
            let host = source?["host"]?.string ?? ""
            return .string(host.isEmpty ? component : "\(component), \(host)")
        },
        TableColumn("Message", about: "What happened.") { event, _ in
            .string(trimmed((event["message"] ?? event["note"])?.string ?? ""))
        },
        TableColumn("First Seen", about: "When it was first seen.", wide: true) { event, now in
            let first = event["firstTimestamp"] ?? event["deprecatedFirstTimestamp"]
            return .string(HumanDuration.since(first == .null ? event["eventTime"] : first ?? event["eventTime"], now))
        },
        TableColumn("Count", about: "How often it was seen.", wide: true) { event, _ in
            event["series", "count"] ?? event["count"] ?? event["deprecatedCount"] ?? 1
        },
        TableColumn("Name", format: "name", about: "The name of the event.", wide: true) { event, _ in
            .string(event.name)
        },
    ]

    private static func object(_ reference: JSONValue?) -> String {
        let kind = reference?["kind"]?.string?.lowercased() ?? ""
        let name = reference?["name"]?.string ?? ""
        return name.isEmpty ? kind : "\(kind)/\(name)"
    }

    private static func trimmed(_ text: String) -> String {
        var text = text[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text.drop(while: \.isWhitespace))
    }
}
