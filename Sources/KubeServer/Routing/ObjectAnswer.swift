// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// Turns objects and lists into the form that the client asked for.
struct ObjectAnswer: Sendable {
    /// Which form.
    var form: AnswerForm
    /// What a table's rows carry: `None`, `Metadata` or `Object`.
    var include: String
    /// The time that ages are counted to.
    var time: any TimeSource

    /// One object.
    func json(of object: KubeObject, _ resource: APIResource) -> JSONValue {
        switch form {
        case .object, .discovery: object.json
        case .metadata: Self.metadata(object)
        case .table:
            table(
                [object],
                resource,
                metadata: ["resourceVersion": object.json.at("metadata", "resourceVersion") ?? ""]
            )
        }
    }

    /// A page of a list.
    func json(of page: ListPage, _ resource: APIResource) -> JSONValue {
        var metadata: JSONValue = ["resourceVersion": .string(String(page.revision))]
        metadata["continue"] = page.next.map(JSONValue.string)
        metadata["remainingItemCount"] = page.remaining.map { JSONValue($0) }
        switch form {
        case .table: return table(page.objects, resource, metadata: metadata)
        case .metadata:
            return [
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "items": .array(page.objects.map(Self.metadata)),
            ]
        case .object, .discovery:
            let items = page.objects.map { object in
                var json = object.json
                if !resource.isCustom {
                    json["kind"] = nil
                    json["apiVersion"] = nil
                }
                return json
            }
            return [
                "kind": .string(resource.listKind), "apiVersion": .string(resource.type.apiVersion),
                "metadata": metadata, "items": .array(items),
            ]
        }
    }

    private static func metadata(_ object: KubeObject) -> JSONValue {
        [
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": object.json["metadata"] ?? .emptyObject,
        ]
    }

    private func table(_ objects: [KubeObject], _ resource: APIResource, metadata: JSONValue) -> JSONValue {
        let columns = TableColumns.of(resource)
        let now = time.now()
        let rows = objects.map { object -> JSONValue in
            let row: JSONValue =
                switch include {
                case "None": .null
                case "Object": object.json
                default: Self.metadata(object)
                }
            return ["cells": .array(columns.map { $0.cell(object, now) }), "object": row]
        }
        return [
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            "columnDefinitions": .array(columns.map(\.json)), "rows": .array(rows),
        ]
    }
}
