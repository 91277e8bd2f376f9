// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Synchronization

/// Writes the events of one watch as JSON lines, in the form that the client asked for.
final class WatchEncoder: Sendable {
    private let resource: APIResource
    private let answer: ObjectAnswer
    private let hasSentColumns = Mutex(false)

    /// An encoder for a watch of `resource`.
    init(resource: APIResource, answer: ObjectAnswer) {
        self.resource = resource
        self.answer = answer
    }

    /// The line of one event.
    func line(_ event: ServerEvent) -> [UInt8] {
        switch event {
        case .added(let object, _): return line("ADDED", object)
        case .modified(let object, _): return line("MODIFIED", object)
        case .deleted(let object, _): return line("DELETED", object)
        case .bookmark(let revision, let endsList): return line("BOOKMARK", bookmark(String(revision), endsList))
        case .error(let status): return line("ERROR", status.responseJSON)
        }
    }

    private func line(_ type: String, _ stored: StoredObject) -> [UInt8] {
        guard answer.form == .object, !resource.storesOtherForm else {
            return line(type, form(resource.fromStorage(stored.object)))
        }
        var bytes = Array(#"{"type":""#.utf8)
        bytes.reserveCapacity(stored.size + 40)
        bytes.append(contentsOf: type.utf8)
        bytes.append(contentsOf: #"","object":"#.utf8)
        stored.append(to: &bytes, apiVersion: resource.type.apiVersion)
        bytes.append(contentsOf: "}\n".utf8)
        return bytes
    }

    private func line(_ type: String, _ object: JSONValue) -> [UInt8] {
        (["type": .string(type), "object": object] as JSONValue).encoded() + [UInt8(ascii: "\n")]
    }

    private func form(_ object: KubeObject) -> JSONValue {
        var json = answer.json(of: object, resource)
        if answer.form == .table {
            let isFirst = hasSentColumns.withLock { sent in
                defer { sent = true }
                return !sent
            }
            if !isFirst { json["columnDefinitions"] = .null }
        }
        return json
    }

    private func bookmark(_ version: String, _ endsList: Bool) -> JSONValue {
        var metadata: JSONValue = ["resourceVersion": .string(version)]
        if answer.form == .table {
            return [
                "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": .null,
                "rows": [],
            ]
        }
        if endsList { metadata["annotations"] = ["k8s.io/initial-events-end": "true"] }
        let isMetadata = answer.form == .metadata
        return [
            "kind": .string(isMetadata ? "PartialObjectMetadata" : resource.type.kind),
            "apiVersion": .string(isMetadata ? "meta.k8s.io/v1" : resource.type.apiVersion), "metadata": metadata,
        ]
    }
}
