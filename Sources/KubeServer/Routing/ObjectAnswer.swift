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

    /// The text of one stored object.
    func bytes(of stored: StoredObject, _ resource: APIResource) -> [UInt8] {
        guard form == .object, !resource.storesOtherForm else {
            return json(of: resource.fromStorage(stored.object), resource).encoded()
        }
        return stored.text(apiVersion: resource.type.apiVersion)
    }

    /// The text of a page of a list.
    func bytes(of page: ListPage, _ resource: APIResource) -> [UInt8] {
        var metadata: JSONValue = ["resourceVersion": .string(String(page.revision))]
        metadata["continue"] = page.next.map(JSONValue.string) ?? (resource.isCustom && form == .object ? "" : nil)
        metadata["remainingItemCount"] = page.remaining.map { JSONValue($0) }
        switch form {
        case .table: return table(values(page, resource), resource, metadata: metadata).encoded()
        case .metadata:
            let list: JSONValue = [
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "items": .array(values(page, resource).map(Self.metadata)),
            ]
            return list.encoded()
        case .object, .discovery: return list(page, resource, metadata)
        }
    }

    private func values(_ page: ListPage, _ resource: APIResource) -> [KubeObject] {
        page.objects.map { resource.fromStorage($0.object) }
    }

    private func list(_ page: ListPage, _ resource: APIResource, _ metadata: JSONValue) -> [UInt8] {
        let head: JSONValue = [
            "kind": .string(resource.listKind), "apiVersion": .string(resource.type.apiVersion), "metadata": metadata,
        ]
        var bytes = Array(head.encoded().dropLast())
        bytes.reserveCapacity(bytes.count + 16 + page.objects.reduce(0) { $0 + $1.size })
        bytes.append(contentsOf: #","items":["#.utf8)
        var isFirst = true
        for stored in page.objects {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            if resource.storesOtherForm {
                var json = resource.fromStorage(stored.object).json
                json["kind"] = nil
                json["apiVersion"] = nil
                bytes.append(contentsOf: json.encoded())
            } else if resource.isCustom {
                stored.append(to: &bytes, apiVersion: resource.type.apiVersion)
            } else {
                stored.appendItem(to: &bytes)
            }
        }
        bytes.append(contentsOf: "]}".utf8)
        return bytes
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
