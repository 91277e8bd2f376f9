// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel

/// What a revision is made of: everything whose change makes a new one.
struct RevisionInput {
    /// The model.
    let model: ModelDeployment
    /// The runtime that serves it.
    let runtime: ServingRuntime

    /// The fingerprint of the parts (model, resources, template, the runtime's container and port, and its drain where it
    /// says one).
    ///
    /// An operator that answers another hash for the same input replaces the pods of every model: the parts and their
    /// order stay, and no schema may get a new default inside of them.
    var hash: String {
        let spec = model.object.json["spec"]
        var parts: JSONValue = [
            "model": spec?["model"] ?? .null, "resources": spec?["resources"] ?? .null,
            "template": spec?["template"] ?? .null, "container": runtime.container, "port": JSONValue(runtime.port),
        ]
        parts["drain"] = runtime.object.json.at("spec", "drain")
        return Fingerprint.of(parts)
    }

    /// The container of the pods: the runtime's with the model's values put in.
    ///
    /// In a list, an item that is exactly one reference to a value that isn't set disappears together with the flag
    /// (`--…`) before it.
    var container: JSONValue {
        let values = values
        var container = resolved(runtime.container, values) ?? .emptyObject
        container["name"] = "server"
        if let resources = model.object["spec", "resources"] { container["resources"] = resources }
        if container["ports"] == nil {
            container["ports"] = [["name": "http", "containerPort": JSONValue(runtime.port), "protocol": "TCP"]]
        }
        return container
    }

    /// What references stand for, in the order in which they are put in.
    private var values: [(reference: String, value: String?)] {
        [
            ("${model.name}", model.object.name), ("${model.uri}", model.model.uri),
            ("${model.format}", model.model.formatName), ("${model.sha256}", model.model.sha256),
            ("${model.version}", model.model.version),
        ]
    }

    private func resolved(_ value: JSONValue, _ values: [(reference: String, value: String?)]) -> JSONValue? {
        switch value {
        case .string(let text): return resolved(text, values).map(JSONValue.string)
        case .object(let members):
            guard members.contains(where: { Self.hasReference($0.value) }) else { return value }
            return .object(
                JSONObject(pairs: members.compactMap { key, value in resolved(value, values).map { (key, $0) } })
            )
        case .array(let items):
            var result: [JSONValue] = []
            for item in items {
                if let item = resolved(item, values) {
                    result.append(item)
                } else if let flag = result.last?.string, flag.hasPrefix("--") {
                    result.removeLast()
                }
            }
            return .array(result)
        default: return value
        }
    }

    /// Whether a value may hold a reference: looked at first, since hardly any does and taking texts apart is slow.
    private static func hasReference(_ value: JSONValue) -> Bool {
        switch value {
        case .string(let text): text.utf8.contains(UInt8(ascii: "$"))
        case .object(let members): members.values.contains(where: hasReference)
        case .array(let items): items.contains(where: hasReference)
        default: false
        }
    }

    /// The text with its references replaced; what they stand for isn't looked at again.
    private func resolved(_ text: String, _ values: [(reference: String, value: String?)]) -> String? {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
        if let whole = values.first(where: { $0.reference == text }) { return whole.value }
        var result = ""
        var rest = text[...]
        while let dollar = rest.utf8.firstIndex(of: UInt8(ascii: "$")) {
            result += rest[..<dollar]
            rest = rest[dollar...]
            let found = values.first { rest.utf8.starts(with: $0.reference.utf8) }
            result += found.map { $0.value ?? "" } ?? "$"
            rest = rest[rest.utf8.index(dollar, offsetBy: found?.reference.utf8.count ?? 1)...]
        }
        return result + rest
    }
}
