// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// Writes JSON values as YAML that reads back as the same values, by our own rules and by YAML 1.2's.
///
/// The layout is that of `kubectl get -o yaml`: two spaces a level, `- ` at the level of its key, block literals for
/// texts of several lines, quotes only where they are needed.
public struct YAMLWriter: Sendable {
    /// The order of the members of objects.
    public enum Order: Sendable, Hashable {
        /// By name.
        case sorted
        /// By name, but for Kubernetes objects `apiVersion`, `kind`, `metadata` and `spec` first, `status` last, and in
        /// the metadata `name` and `namespace` first.
        case kubernetes
    }

    /// The order of the members of objects.
    public var order: Order

    /// A writer.
    public init(order: Order = .kubernetes) { self.order = order }

    /// The YAML text of one document, with a line break at its end.
    public func text(_ value: JSONValue) -> String {
        var output = YAMLOutput(order: order)
        output.document(value)
        return output.text
    }

    /// The YAML text of several documents, with `---` between them.
    public func text(documents: [JSONValue]) -> String {
        documents.map { text($0) }.joined(separator: "---\n")
    }
}

/// Appends YAML to a text. Recurses as deep as the value is nested.
private struct YAMLOutput {
    private(set) var text = ""
    let order: YAMLWriter.Order

    init(order: YAMLWriter.Order) { self.order = order }

    mutating func document(_ value: JSONValue) {
        switch value {
        case .array(let elements) where !elements.isEmpty: sequence(elements, indent: 0)
        case .object(let members) where !members.isEmpty: mapping(members, indent: 0)
        default:
            scalar(value, indent: 0)
            text += "\n"
        }
    }

    /// Items one a line; the first begins where the text stands when `continues`.
    private mutating func sequence(_ elements: [JSONValue], indent: Int, continues: Bool = false) {
        for (index, element) in elements.enumerated() {
            if index > 0 || !continues { space(indent) }
            text += "- "
            switch element {
            case .array(let inner) where !inner.isEmpty: sequence(inner, indent: indent + 2, continues: true)
            case .object(let inner) where !inner.isEmpty: mapping(inner, indent: indent + 2, continues: true)
            default:
                scalar(element, indent: indent + 2)
                text += "\n"
            }
        }
    }

    /// Entries one a line; the first begins where the text stands when `continues`.
    private mutating func mapping(
        _ members: JSONObject,
        indent: Int,
        continues: Bool = false,
        kind: MappingKind = .plain
    ) {
        let kind: MappingKind = kind == .plain && isKubernetesObject(members) ? .object : kind
        for (index, key) in ordered(members, kind: kind).enumerated() {
            guard let value = members[key] else { continue }
            if index > 0 || !continues { space(indent) }
            if key.utf8.count > 128 || key.utf8.contains(0x0a) {
                // A key that is longer than 1024 characters or has line breaks needs the `?` form in double quotes.
                text += "? " + YAMLText.doubleQuoted(key) + "\n"
                space(indent)
                text += ":"
            } else {
                text += YAMLText.inline(key) + ":"
            }
            switch value {
            case .array(let inner) where !inner.isEmpty:
                text += "\n"
                sequence(inner, indent: indent)
            case .object(let inner) where !inner.isEmpty:
                text += "\n"
                mapping(
                    inner,
                    indent: indent + 2,
                    kind: kind == .object && key == "metadata" ? .metadata : .plain
                )
            default:
                text += " "
                scalar(value, indent: indent + 2)
                text += "\n"
            }
        }
    }

    private enum MappingKind { case plain, object, metadata }

    private func isKubernetesObject(_ members: JSONObject) -> Bool {
        order == .kubernetes && members["apiVersion"]?.string != nil && members["kind"]?.string != nil
    }

    private func ordered(_ members: JSONObject, kind: MappingKind) -> [String] {
        let first: [String]
        var last: [String] = []
        switch kind {
        case .plain: return members.keys
        case .object:
            first = ["apiVersion", "kind", "metadata", "spec"]
            last = ["status"]
        case .metadata: first = ["name", "namespace"]
        }
        let middle = members.keys.filter { !first.contains($0) && !last.contains($0) }
        return (first + middle + last).filter { members[$0] != nil }
    }

    private mutating func scalar(_ value: JSONValue, indent: Int) {
        switch value {
        case .string(let string):
            if let block = YAMLText.literal(string, indent: max(indent, 2)) {
                text += block
            } else {
                text += YAMLText.inline(string)
            }
        default: text += value.jsonText
        }
    }

    private mutating func space(_ count: Int) { text += String(repeating: " ", count: count) }
}
