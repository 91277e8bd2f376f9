// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension FieldManagement {
    /// Where kubectl's client-side apply keeps what it last wrote.
    static let lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

    /// The largest total of all annotations in bytes.
    private static let maximumAnnotations = 256 << 10

    /// `result` with kubectl's annotation brought up to what it applied, where the object has one: so that a later
    /// client-side apply doesn't take the server-side one for somebody else's change.
    func withLastApplied(_ result: JSONValue, live: JSONValue?, applied: JSONValue) -> JSONValue {
        guard result.at("metadata", "annotations", Self.lastApplied)?.string?.isEmpty == false else { return result }
        var bare = applied
        bare.set(nil, at: "metadata", "annotations", Self.lastApplied)
        if bare.at("metadata", "annotations")?.object?.isEmpty == true { bare.set(nil, at: "metadata", "annotations") }
        var updated = result
        updated.set(.string(bare.jsonText + "\n"), at: "metadata", "annotations", Self.lastApplied)
        let size = (updated.at("metadata", "annotations")?.object ?? JSONObject())
            .reduce(0) { $0 + $1.key.utf8.count + ($1.value.string?.utf8.count ?? 0) }
        if size > Self.maximumAnnotations {
            updated.set(nil, at: "metadata", "annotations", Self.lastApplied)
        }
        return updated
    }

    /// Refuses an applied object that isn't of this type.
    func checkApplied(_ applied: JSONValue) throws(APIStatus) {
        let apiVersion = applied["apiVersion"]?.string ?? ""
        let kind = applied["kind"]?.string ?? ""
        guard !apiVersion.isEmpty, !kind.isEmpty else {
            let written = apiVersion.contains("/") || apiVersion.isEmpty ? apiVersion : "/" + apiVersion
            throw APIStatus(
                code: 400,
                reason: "BadRequest",
                message: "invalid object type: \(written.isEmpty ? "/" : written), Kind=\(kind)"
            )
        }
        if let list = applied.at("metadata", "managedFields"), list != .null {
            throw APIStatus(code: 400, reason: "BadRequest", message: "metadata.managedFields must be nil")
        }
        guard let problem = Self.problem(applied, schema.root, at: "") else { return }
        let namespace = applied.at("metadata", "namespace")?.string ?? ""
        let name = applied.at("metadata", "name")?.string ?? ""
        throw APIStatus(
            code: 500,
            reason: "",
            message:
                "failed to create typed patch object (\(namespace)/\(name); \(apiVersion), Kind=\(kind)): \(problem)"
        )
    }

    /// The first thing in `value` that its type doesn't allow.
    private static func problem(_ value: JSONValue, _ shape: TypeShape, at path: String) -> String? {
        switch (value, shape.content) {
        case (.null, _): return nil
        case (.object(let members), .structure), (.object(let members), .map):
            for (name, member) in members {
                guard let next = shape.member(name) else { return "\(path).\(name): field not declared in schema" }
                if let problem = problem(member, next, at: "\(path).\(name)") { return problem }
            }
            return nil
        case (_, .structure), (_, .map): return "\(path): expected map, got &{\(value.jsonText)}"
        case (.array(let elements), .list):
            return problem(elements, shape, at: path)
        case (_, .list): return "\(path): expected list, got &{\(value.jsonText)}"
        case (_, .scalar(let scalar)): return problem(value, scalar, at: path)
        default: return nil
        }
    }

    private static func problem(_ elements: [JSONValue], _ shape: TypeShape, at path: String) -> String? {
        var seen: Set<PathElement> = []
        for (index, element) in elements.enumerated() {
            var place = "\(path)[\(index)]"
            if shape.identity != .atomic {
                guard let identity = TypedValue.identity(of: element, at: index, in: shape) else {
                    guard case .keys(let keys) = shape.identity else { return nil }
                    let names = keys.map { "\"\($0)\"" }.joined(separator: ", ")
                    return "\(path): element \(index): associative list with keys has an element that omits key field "
                        + "\(names) (and doesn't have default value)"
                }
                guard seen.insert(identity).inserted else {
                    return "\(path): duplicate entries for key \(identity.text)"
                }
                place = path + identity.text
            }
            if let problem = problem(element, shape.element, at: place) { return problem }
        }
        return nil
    }

    private static func problem(_ value: JSONValue, _ scalar: ScalarType, at path: String) -> String? {
        let shown = value.string ?? value.jsonText
        switch scalar {
        case .string, .time, .microTime, .bytes:
            return value.string == nil ? "\(path): expected string, got &value.valueUnstructured{Value:\(shown)}" : nil
        case .int32, .int64, .double:
            return value.double == nil
                ? "\(path): expected numeric (int or float), got \(value.typeName)" : nil
        case .bool: return value.bool == nil ? "\(path): expected boolean, got \(value.typeName)" : nil
        case .quantity, .intOrString, .raw, .fields, .unchecked: return nil
        }
    }
}
