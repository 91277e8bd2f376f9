// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import KubeServer
import Testing

/// Replays recorded server-side applies against the pure functions and compares objects, ownership and messages.
@Suite(.enabled(if: ReferenceData.isPresent, "needs ../shared"))
struct RecordedApplyTests {
    @Test(
        "answers a recorded sequence of applies and updates as the API server did",
        arguments: ["apply-basics", "apply-conflicts", "apply-lists", "apply-deployment"]
    )
    func replays(_ name: String) throws {
        var replay = try Replay()
        for (index, step) in try ReferenceData.steps(name).enumerated() {
            try replay.play(step, "\(name) step \(index)")
        }
    }

    @Test("tracks what creates and patches change as the API server did", arguments: ["merge-and-strategic-patch"])
    func replaysPatches(_ name: String) throws {
        var replay = try Replay()
        for (index, step) in try ReferenceData.steps(name).enumerated() {
            try replay.play(step, "\(name) step \(index)")
        }
    }
}

/// A store of a few objects with just enough around the functions under test.
struct Replay {
    private var objects: [String: JSONValue] = [:]
    private let widgets: StructuralSchema

    init() throws {
        let definition = try #require(try ReferenceData.steps("crd-lifecycle").first?["body"])
        widgets = try StructuralSchema(
            parsing: try #require(definition.at("spec", "versions")?[0]?.at("schema", "openAPIV3Schema"))
        )
    }

    private static func type(_ path: String) -> ResourceType? {
        switch true {
        case path.contains("/widgets"):
            ResourceType(
                group: "record.example.com",
                version: "v1",
                kind: "Widget",
                plural: "widgets",
                isNamespaced: true
            )
        case path.contains("/deployments"): .deployments
        case path.contains("/services"): .services
        case path.contains("/configmaps"): .configMaps
        default: nil
        }
    }

    mutating func play(_ step: JSONValue, _ label: Comment) throws {
        let path = try #require(step["path"]?.string)
        let query = path.split(separator: "?").dropFirst().first ?? ""
        guard let type = Self.type(path), !query.contains("dryRun"), !path.contains("/none") else { return }
        let parts = path.split(separator: "?")[0].split(separator: "/")
        let plural = try #require(parts.firstIndex(of: Substring(type.plural)))
        let name =
            parts.count > plural + 1 ? String(parts[plural + 1]) : step.at("body", "metadata", "name")?.string ?? ""
        let key = "\(type.plural)/\(name)"
        let manager = query.split(separator: "&").first { $0.hasPrefix("fieldManager=") }?.dropFirst(13)
        if path.contains("/scale") {
            let live = try #require(objects[key])
            var new = live
            new.set(step.at("body", "spec", "replicas"), at: "spec", "replicas")
            let management = FieldManagement(
                schema: try #require(TypeSchema.builtIn(type)),
                type: type,
                subresource: "scale"
            )
            objects[key] = management.update(live: live, new: new, manager: String(manager ?? ""), now: Self.now)
            return
        }
        let schema = TypeSchema.builtIn(type) ?? .custom(widgets)
        let management = FieldManagement(schema: schema, type: type)
        let content = step.at("headers", "Content-Type")?.string ?? ""
        do {
            guard let new = try result(step, content, objects[key], management, type, manager.map(String.init), query)
            else { return }
            compare(new, try #require(step.at("response", "body")), label)
            objects[key] = new
        } catch let status as APIStatus {
            let expected = step.at("response", "body")
            #expect(status.json == expected, label)
        }
    }

    private static let now = WallTime(seconds: 1_800_000_000)

    private func result(
        _ step: JSONValue,
        _ content: String,
        _ live: JSONValue?,
        _ management: FieldManagement,
        _ type: ResourceType,
        _ manager: String?,
        _ query: Substring
    ) throws -> JSONValue? {
        let body = step["body"] ?? .null
        let isFine = (step.at("response", "code")?.int ?? step.at("response", "status")?.int ?? 0) < 300
        switch (step["method"]?.string, content) {
        case ("PATCH", "application/apply-patch+yaml"):
            guard let manager, body.at("metadata", "name") != "b" else { return nil }
            let applied = try management.apply(
                live: live,
                applied: body,
                manager: manager,
                force: query.contains("force=true"),
                now: Self.now
            )
            return defaulted(applied, type)
        case ("POST", _):
            guard isFine else { return nil }
            return management.update(live: nil, new: defaulted(body, type), manager: "python-requests", now: Self.now)
        case ("PATCH", _):
            guard isFine, let live else { return nil }
            let patched: JSONValue
            switch content {
            case "application/merge-patch+json": patched = MergePatch.apply(body, to: live)
            case "application/json-patch+json": patched = try JSONPatch.apply(body, to: live)
            default:
                guard let schema = TypeSchema.builtIn(type) else { return nil }
                patched = try StrategicMergePatch.apply(body, to: live, schema: schema)
            }
            return management.update(
                live: live,
                new: defaulted(patched, type),
                manager: manager ?? "python-requests",
                now: Self.now
            )
        default: return nil
        }
    }

    private func defaulted(_ object: JSONValue, _ type: ResourceType) -> JSONValue {
        type.kind == "Widget"
            ? widgets.applyingDefaults(to: widgets.pruning(object).value)
            : BuiltInDefaults.applying(to: object, type: type)
    }

    /// Compares all but what a whole server adds.
    private func compare(_ actual: JSONValue, _ expected: JSONValue, _ label: Comment) {
        func normal(_ object: JSONValue) -> JSONValue {
            var object = object
            for name in ["creationTimestamp", "generation", "namespace", "resourceVersion", "uid"] {
                object.set(nil, at: "metadata", name)
            }
            for name in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] where object["kind"] == "Service" {
                object.set(nil, at: "spec", name)
            }
            let entries = (object.at("metadata", "managedFields")?.array ?? []).map { entry in
                var entry = entry
                // A missing time matters: it says that an apply changed nothing.
                if entry["time"] != nil { entry["time"] = "some" }
                return entry
            }
            object.set(.array(entries.sorted { $0.jsonText < $1.jsonText }), at: "metadata", "managedFields")
            return object
        }
        let (left, right) = (normal(actual), normal(expected))
        #expect(left == right, "\(label)\nactual   \(left.jsonText)\nexpected \(right.jsonText)")
    }
}
