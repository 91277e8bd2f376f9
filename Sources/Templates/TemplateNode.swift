// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import YAML

/// A node of a template with everything decided that doesn't depend on what is put in: a template is read once and
/// rendered for every model.
///
/// What is wrong with a node is kept as such, and thrown only when the node is rendered.
indirect enum TemplateNode: Sendable {
    /// A part without a reference: always the same value; nothing where it disappears. `size` is its number of nodes.
    case constant(JSONValue?, size: Int)
    /// A scalar that is one reference.
    case reference(TemplateReference, YAMLNode)
    /// A scalar of texts and references.
    case text([TemplatePiece], YAMLNode)
    /// A sequence.
    case list([TemplateNode])
    /// A mapping.
    case mapping(Mapping)
    /// A mapping with `$for`.
    case loop(Loop)
    /// A node that can't be rendered.
    case broken(TemplateError)

    /// A mapping's parts.
    struct Mapping: Sendable {
        /// The members that are always the same.
        var constants = JSONObject()
        /// How many nodes these are.
        var size = 0
        /// The other members, in order.
        var members: [(key: String, node: TemplateNode)] = []
        /// What `$merge` lays over them, in order.
        var merges: [(node: TemplateNode, source: YAMLNode)] = []
        /// Whether there is no entry at all.
        var isEmpty: Bool
    }

    /// A `$for` with its body.
    struct Loop: Sendable {
        /// The name of the variable.
        var name: String
        /// The list.
        var list: TemplateReference
        /// Where `$for` stands.
        var source: YAMLNode
        /// What `$value` says; `nil` where the mapping itself is repeated.
        var value: TemplateNode?
        /// The mapping that is repeated.
        var body: Mapping
        /// What is wrong with the body as a whole.
        var flaw: TemplateError?
    }
}

/// Reads a template's nodes.
struct TemplateCompiler {
    /// The template's name, for messages.
    let template: String

    /// The node made ready to render.
    func compiled(_ node: YAMLNode) -> TemplateNode {
        do throws(TemplateError) {
            switch node.content {
            case .scalar(let text): return try scalar(text, node)
            case .sequence(let items): return list(items)
            case .mapping(let entries):
                guard let loop = entries.first(where: { $0.key.scalar == "$for" }) else { return mapping(entries) }
                return .loop(try self.loop(entries, loop.value))
            }
        } catch {
            return .broken(error)
        }
    }

    private func list(_ items: [YAMLNode]) -> TemplateNode {
        let nodes = items.map(compiled)
        var elements: [JSONValue] = []
        var size = 1
        for node in nodes {
            guard case .constant(let value, let count) = node else { return .list(nodes) }
            if let value { elements.append(value) }
            size += count
        }
        return .constant(elements.isEmpty && !items.isEmpty ? nil : .array(elements), size: size)
    }

    private func mapping(_ entries: [YAMLEntry]) -> TemplateNode {
        let parts = parts(entries)
        guard parts.members.isEmpty, parts.merges.isEmpty else { return .mapping(parts) }
        let value = parts.constants.isEmpty && !parts.isEmpty ? nil : JSONValue.object(parts.constants)
        return .constant(value, size: parts.size + 1)
    }

    private func parts(_ entries: [YAMLEntry]) -> TemplateNode.Mapping {
        var parts = TemplateNode.Mapping(isEmpty: entries.isEmpty)
        for entry in entries {
            do throws(TemplateError) {
                let key = try key(entry.key)
                if key == "$merge" {
                    parts.merges = (entry.value.sequence ?? [entry.value]).map { (compiled($0), $0) }
                } else if key.hasPrefix("$") {
                    throw failure("unknown directive \(key): there are $for, $value and $merge", entry.key)
                } else {
                    let node = compiled(entry.value)
                    guard case .constant(let value, let size) = node else {
                        parts.members.append((key, node))
                        continue
                    }
                    parts.constants[key] = value
                    parts.size += size
                }
            } catch {
                parts.members.append(("", .broken(error)))
            }
        }
        return parts
    }

    private func key(_ node: YAMLNode) throws(TemplateError) -> String {
        let key: String
        do { key = try node.jsonKey() } catch { throw TemplateError(error, in: template) }
        guard node.scalar != "<<" || node.style != .plain else { throw failure("use $merge instead of <<", node) }
        guard !key.contains("${") else { throw failure("a key can't be substituted, only a value", node) }
        return key
    }

    private func loop(_ entries: [YAMLEntry], _ source: YAMLNode) throws(TemplateError) -> TemplateNode.Loop {
        let pieces = try pieces(source.scalar ?? "", source)
        guard pieces.count == 2, case .text(let text) = pieces[0], case .reference(let list) = pieces[1],
            text.hasSuffix(" in "), let name = Optional(String(text.dropLast(4))), !name.isEmpty,
            name.allSatisfy(TemplateScanner.isNameCharacter)
        else { throw failure("$for is written as: NAME in ${path}", source) }
        let rest = entries.filter { $0.key.scalar != "$for" }
        guard let value = rest.first(where: { $0.key.scalar == "$value" })?.value else {
            return TemplateNode.Loop(name: name, list: list, source: source, body: parts(rest))
        }
        return TemplateNode.Loop(
            name: name,
            list: list,
            source: source,
            value: compiled(value),
            body: TemplateNode.Mapping(isEmpty: true),
            flaw: rest.count == 1 ? nil : failure("$value stands alone beside $for", source)
        )
    }

    private func scalar(_ text: String, _ node: YAMLNode) throws(TemplateError) -> TemplateNode {
        let pieces = try pieces(text, node)
        if pieces.count == 1, case .reference(let reference) = pieces[0] { return .reference(reference, node) }
        let hasReference = pieces.contains { if case .reference = $0 { true } else { false } }
        guard hasReference || text.contains("$${") else {
            do { return .constant(try node.json(), size: 1) } catch { throw TemplateError(error, in: template) }
        }
        return .text(pieces, node)
    }

    private func pieces(_ text: String, _ node: YAMLNode) throws(TemplateError) -> [TemplatePiece] {
        do {
            return try TemplateScanner.pieces(of: text)
        } catch {
            throw failure(error.message, node, offset: error.offset)
        }
    }

    /// An error at a node, or `offset` characters into it where the scalar is written on one line.
    func failure(_ message: String, _ node: YAMLNode, offset: Int = 0) -> TemplateError {
        var mark = node.mark
        switch node.style {
        case .plain: mark.column += offset
        case .singleQuoted, .doubleQuoted: mark.column += offset + 1
        case .literal, .folded, .block, .flow: break
        }
        return TemplateError(message, in: template, at: mark)
    }
}
