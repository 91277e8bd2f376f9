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

    /// The fingerprint of the parts (model, resources, template, the runtime's container and port).
    ///
    /// An operator that answers another hash for the same input replaces the pods of every model: the parts and their
    /// order stay, and no schema may get a new default inside of them.
    var hash: String {
        let spec = model.object.json["spec"]
        return Fingerprint.of([
            "model": spec?["model"] ?? .null, "resources": spec?["resources"] ?? .null,
            "template": spec?["template"] ?? .null, "container": runtime.container, "port": JSONValue(runtime.port),
        ])
    }

    /// The container of the pods: the runtime's with the model's values put in.
    ///
    /// In a list, an item that is exactly one reference to a value that isn't set disappears together with the flag
    /// (`--…`) before it.
    var container: JSONValue {
        var container = resolved(runtime.container) ?? .emptyObject
        container["name"] = "server"
        if let resources = model.object["spec", "resources"] { container["resources"] = resources }
        if container["ports"] == nil {
            container["ports"] = [["name": "http", "containerPort": JSONValue(runtime.port), "protocol": "TCP"]]
        }
        return container
    }

    private var values: [String: String] {
        var values = [
            "model.name": model.object.name, "model.uri": model.model.uri, "model.format": model.model.formatName,
        ]
        values["model.sha256"] = model.model.sha256
        values["model.version"] = model.model.version
        return values
    }

    private func resolved(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .string(let text): return resolved(text).map(JSONValue.string)
        case .object(let members):
            return .object(JSONObject(pairs: members.compactMap { key, value in resolved(value).map { (key, $0) } }))
        case .array(let items):
            var result: [JSONValue] = []
            for item in items {
                if let item = resolved(item) {
                    result.append(item)
                } else if let flag = result.last?.string, flag.hasPrefix("--") {
                    result.removeLast()
                }
            }
            return .array(result)
        default: return value
        }
    }

    private func resolved(_ text: String) -> String? {
        guard text.contains("${model.") else { return text }
        var text = text
        for name in ["model.name", "model.uri", "model.format", "model.sha256", "model.version"] {
            let reference = "${\(name)}"
            guard text.contains(reference) else { continue }
            if text == reference, values[name] == nil { return nil }
            text = text.split(separator: reference, omittingEmptySubsequences: false)
                .joined(separator: values[name] ?? "")
        }
        return text
    }
}
