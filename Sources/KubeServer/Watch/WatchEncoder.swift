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
    func line(_ event: WatchEvent) -> [UInt8] {
        let (type, object): (String, JSONValue) =
            switch event {
            case .added(let object): ("ADDED", form(object))
            case .modified(let object): ("MODIFIED", form(object))
            case .deleted(let object): ("DELETED", form(object))
            case .bookmark(let version, let endsList): ("BOOKMARK", bookmark(version, endsList))
            case .error(let status): ("ERROR", status.responseJSON)
            }
        return (["type": .string(type), "object": object] as JSONValue).encoded() + [UInt8(ascii: "\n")]
    }

    private func form(_ stored: KubeObject) -> JSONValue {
        var json = answer.json(of: resource.fromStorage(stored), resource)
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
