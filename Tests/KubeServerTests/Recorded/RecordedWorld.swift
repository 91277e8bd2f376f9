// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The objects that a recorded command met, made of its answers.
///
/// What it read before it wrote is there as it was read. Tables carry metadata only: the rest of their objects comes from
/// other recordings of the same object, and for pods, ReplicaSets and events from the table's cells.
struct RecordedWorld {
    /// The objects, each once.
    private(set) var objects: [KubeObject] = []
    private var seen: Set<String> = []

    static let widgets = ResourceType(
        group: "record.example.com",
        version: "v1",
        kind: "Widget",
        plural: "widgets",
        isNamespaced: true
    )

    /// The world of `command`; `definition` is the stored definition of widgets.
    init(_ command: RecordedCommand, definition: KubeObject) {
        insert(definition)
        for name in ["default", "kube-system"] {
            insert(KubeObject(.namespaces, namespace: nil, name: name))
        }
        if let before = Self.before[command.name].flatMap({ Self.whole[$0] }) { insert(before) }
        for request in command.requests {
            if request.path.hasPrefix("/apis/") || request.path.hasPrefix("/api/v1/") { add(request) }
        }
        if command.name != "create-namespace" {
            let namespace = RecordedCommand.all.lazy.flatMap(\.requests)
                .first { $0.path == "/api/v1/namespaces/kubectl-rec" && $0.response?["metadata"]?["name"] != nil }
            insert(KubeObject(namespace?.response ?? .null))
        }
    }

    /// Commands that write without reading first, and the state that they met: the version of the object.
    private static let before = [
        "apply-server-side": "Deployment d 970", "apply-server-side-force": "Deployment d 970",
        "delete-wait": "Deployment d 1002",
    ]

    /// Every whole object in any recording, by kind, name and version.
    private static let whole: [String: KubeObject] = {
        var found: [String: KubeObject] = [:]
        for request in RecordedCommand.all.flatMap(\.requests) where (200..<300).contains(request.status) {
            guard let object = request.response.map(KubeObject.init), object.json["metadata"] != nil,
                !object.kind.hasSuffix("List"), object.kind != "Table"
            else { continue }
            found[identity(object)] = object
        }
        return found
    }()

    private static func identity(_ object: KubeObject) -> String {
        "\(object.kind) \(object.name) \(object.resourceVersion ?? "")"
    }

    private mutating func insert(_ object: KubeObject) {
        guard !object.name.isEmpty, seen.insert("\(object.kind) \(object.key)").inserted else { return }
        objects.append(object)
    }

    private mutating func add(_ request: RecordedCommand.Request) {
        guard let response = request.response else { return }
        if request.method == "GET", request.status == 404 {
            // What wasn't there is made later or never.
            let name = response.at("details", "name")?.string ?? ""
            let kind = request.path.contains("/widgets/") ? "Widget" : "Deployment"
            seen.insert("\(kind) \(ObjectKey(namespace: "kubectl-rec", name: name))")
            return
        }
        guard request.method == "GET", request.status == 200 else { return }
        if response["kind"] == "Table" {
            addRows(response, request)
        } else if let items = response["items"]?.array {
            for item in items {
                var object = KubeObject(item)
                object.json["kind"] = .string((response["kind"]?.string ?? "").replacingSuffix("List", ""))
                object.json["apiVersion"] = response["apiVersion"]
                insert(object)
            }
        } else {
            insert(KubeObject(response))
        }
    }

    private mutating func addRows(_ table: JSONValue, _ request: RecordedCommand.Request) {
        let path = request.path.prefix { $0 != "?" }.split(separator: "/").map(String.init)
        for row in table["rows"]?.array ?? [] {
            guard let metadata = row.at("object", "metadata") else { continue }
            let cells = row["cells"]?.array ?? []
            let name = metadata["name"]?.string ?? ""
            let version = metadata["resourceVersion"]?.string ?? ""
            switch path.last {
            case "deployments", "widgets":
                let kind = path.last == "widgets" ? "Widget" : "Deployment"
                if let object = Self.whole["\(kind) \(name) \(version)"] ?? Self.newest(kind, name, version) {
                    var object = object
                    object["metadata"] = metadata
                    insert(object)
                }
            case "pods": insert(KubeObject(Self.pod(metadata, cells)))
            case "replicasets": insert(KubeObject(Self.replicaSet(metadata, cells)))
            case "events": insert(KubeObject(Self.event(metadata, cells)))
            default: break
            }
        }
    }

    /// The last recorded version of an object before `version`.
    private static func newest(_ kind: String, _ name: String, _ version: String) -> KubeObject? {
        whole.values.filter { $0.kind == kind && $0.name == name }
            .filter { (Int($0.resourceVersion ?? "") ?? 0) <= (Int(version) ?? 0) }
            .max { (Int($0.resourceVersion ?? "") ?? 0) < (Int($1.resourceVersion ?? "") ?? 0) }
    }

    private static func pod(_ metadata: JSONValue, _ cells: [JSONValue]) -> JSONValue {
        [
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": ["nodeName": cells[6], "containers": [["name": "c", "image": "test/x:2"]]],
            "status": [
                "phase": "Running", "podIP": cells[5], "podIPs": [["ip": cells[5]]],
                "conditions": [["type": "Ready", "status": "True"]],
                "containerStatuses": [
                    ["name": "c", "ready": true, "restartCount": 0, "state": ["running": [:]]]
                ],
            ],
        ]
    }

    private static func replicaSet(_ metadata: JSONValue, _ cells: [JSONValue]) -> JSONValue {
        [
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata,
            "spec": [
                "replicas": cells[1], "selector": ["matchLabels": metadata["labels"] ?? [:]],
                "template": [
                    "metadata": ["labels": metadata["labels"] ?? [:]],
                    "spec": ["containers": [["name": cells[5], "image": cells[6]]]],
                ],
            ],
            "status": ["replicas": cells[2], "readyReplicas": cells[3]],
        ]
    }

    private static func event(_ metadata: JSONValue, _ cells: [JSONValue]) -> JSONValue {
        let object = (cells[3].string ?? "").split(separator: "/").map(String.init)
        let kinds = ["pod": "Pod", "replicaset": "ReplicaSet", "deployment": "Deployment"]
        let source = (cells[5].string ?? "").split(separator: ",").map { $0.drop { $0 == " " } }.map(String.init)
        let time = metadata["creationTimestamp"] ?? .null
        var event: JSONValue = [
            "apiVersion": "v1", "kind": "Event", "metadata": metadata, "type": cells[1], "reason": cells[2],
            "message": cells[6], "firstTimestamp": time, "lastTimestamp": time, "count": cells[8],
            "involvedObject": [
                "kind": .string(kinds[object[0]] ?? object[0]), "name": .string(object.last ?? ""),
                "namespace": "kubectl-rec",
            ],
            "source": source.isEmpty ? [:] : ["component": .string(source[0])],
        ]
        if source.count > 1 { event["source", "host"] = .string(source[1]) }
        return event
    }
}

extension JSONValue {
    fileprivate subscript(first: String, second: String) -> JSONValue? {
        get { at(first, second) }
        set { set(newValue, at: first, second) }
    }
}

extension String {
    /// The text with a suffix, where it ends with it, replaced by another.
    func replacingSuffix(_ suffix: String, _ other: String) -> String {
        hasSuffix(suffix) ? dropLast(suffix.count) + other : self
    }
}
