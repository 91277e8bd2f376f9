// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import YAML

/// Turns one template's node tree and a scope into a JSON value. `nil` is nothing: an entry or item that disappears.
struct TemplateRenderer {
    /// The template's name, for messages.
    let template: String
    private var scope: TemplateScope
    private var remaining = TemplateRenderer.maximumNodes

    /// How many values a template may make: loops within loops can't run away (a pod has some hundred).
    static let maximumNodes = 100_000

    /// A renderer of `template` with everything in `context`.
    init(template: String, context: TemplateContext) {
        self.template = template
        scope = TemplateScope(context: context)
    }

    /// The value of a node; `nil` when it is nothing.
    mutating func render(_ node: YAMLNode) throws(TemplateError) -> JSONValue? {
        remaining -= 1
        guard remaining >= 0 else { throw failure("it makes more than \(Self.maximumNodes) values", node) }
        switch node.content {
        case .scalar(let text): return try scalar(text, node)
        case .sequence(let items): return try list(items)
        case .mapping(let entries):
            if let loop = entries.first(where: { $0.key.scalar == "$for" }) {
                return try repeated(entries, loop: loop.value).map { .array($0) }
            }
            return try mapping(entries)
        }
    }

    private mutating func list(_ items: [YAMLNode]) throws(TemplateError) -> JSONValue? {
        var elements: [JSONValue] = []
        for item in items {
            if let entries = item.mapping, let loop = entries.first(where: { $0.key.scalar == "$for" }) {
                elements.append(contentsOf: try repeated(entries, loop: loop.value) ?? [])
            } else if let element = try render(item) {
                elements.append(element)
            }
        }
        return elements.isEmpty && !items.isEmpty ? nil : .array(elements)
    }

    private mutating func mapping(_ entries: [YAMLEntry]) throws(TemplateError) -> JSONValue? {
        var members = JSONObject()
        var merges: [YAMLNode] = []
        for entry in entries {
            let key = try key(entry.key)
            if key == "$merge" {
                merges = entry.value.sequence ?? [entry.value]
            } else if key.hasPrefix("$") {
                throw failure("unknown directive \(key): there are $for, $value and $merge", entry.key)
            } else if let value = try render(entry.value) {
                members[key] = value
            }
        }
        for merge in merges {
            switch try render(merge) {
            case .none: continue
            case .object(let overlay): members = TemplateMerge.merging(members, overlay)
            case .some(let value): throw failure("$merge needs a mapping, not \(value.typeName)", merge)
            }
        }
        return members.isEmpty && !entries.isEmpty ? nil : .object(members)
    }

    private func key(_ node: YAMLNode) throws(TemplateError) -> String {
        let key: String
        do { key = try node.jsonKey() } catch { throw TemplateError(error, in: template) }
        guard node.scalar != "<<" || node.style != .plain else { throw failure("use $merge instead of <<", node) }
        guard !key.contains("${") else { throw failure("a key can't be substituted, only a value", node) }
        return key
    }

    /// The body of a `$for` for each element of its list; `nil` when the list is nothing.
    private mutating func repeated(_ entries: [YAMLEntry], loop: YAMLNode) throws(TemplateError) -> [JSONValue]? {
        let (name, reference) = try self.loop(loop)
        guard let list = try value(of: reference, loop) else { return nil }
        guard case .array(let elements) = list else {
            throw failure("$for needs a list, not \(list.typeName)", loop)
        }
        let body = entries.filter { $0.key.scalar != "$for" }
        let value = body.first { $0.key.scalar == "$value" }?.value
        guard value == nil || body.count == 1 else { throw failure("$value stands alone beside $for", loop) }
        let known = Set(elements.flatMap { $0.object?.keys ?? [] })
        let outer = scope
        defer { scope = outer }
        var results: [JSONValue] = []
        for element in elements {
            scope.variables[name] = TemplateScope.Variable(value: element, knownMembers: known)
            if let value {
                if let result = try render(value) { results.append(result) }
            } else if let result = try mapping(body) {
                results.append(result)
            }
        }
        return results
    }

    /// The parts of `NAME in ${path}`.
    private func loop(_ node: YAMLNode) throws(TemplateError) -> (String, TemplateReference) {
        let pieces = try pieces(node.scalar ?? "", node)
        guard pieces.count == 2, case .text(let text) = pieces[0], case .reference(let reference) = pieces[1],
            text.hasSuffix(" in "), let name = Optional(String(text.dropLast(4))), !name.isEmpty,
            name.allSatisfy(TemplateScanner.isNameCharacter)
        else { throw failure("$for is written as: NAME in ${path}", node) }
        guard scope.context.value[name] == nil, scope.variables[name] == nil else {
            throw failure("the name \(name) of $for is taken already", node)
        }
        return (name, reference)
    }

    private func scalar(_ text: String, _ node: YAMLNode) throws(TemplateError) -> JSONValue? {
        let pieces = try pieces(text, node)
        if pieces.count == 1, case .reference(let reference) = pieces[0] { return try value(of: reference, node) }
        guard pieces.contains(where: { if case .reference = $0 { true } else { false } }) || text.contains("$${") else {
            do { return try node.json() } catch { throw TemplateError(error, in: template) }
        }
        var result = ""
        for piece in pieces {
            switch piece {
            case .text(let text): result += text
            case .reference(let reference):
                switch try value(of: reference, node) {
                case .none: return nil
                case .string(let text): result += text
                case .some(let value) where value.array == nil && value.object == nil: result += value.jsonText
                case .some(let value):
                    throw failure(
                        "\(reference.pathText) can't stand inside text: it has the type \(value.typeName)",
                        node,
                        offset: reference.offset
                    )
                }
            }
        }
        return .string(result)
    }

    private func value(of reference: TemplateReference, _ node: YAMLNode) throws(TemplateError) -> JSONValue? {
        do {
            return try scope.value(at: reference.path) ?? reference.fallback
        } catch {
            throw failure(error.message, node, offset: reference.offset)
        }
    }

    private func pieces(_ text: String, _ node: YAMLNode) throws(TemplateError) -> [TemplatePiece] {
        do {
            return try TemplateScanner.pieces(of: text)
        } catch {
            throw failure(error.message, node, offset: error.offset)
        }
    }

    /// An error at a node, or `offset` characters into it where the scalar is written on one line.
    private func failure(_ message: String, _ node: YAMLNode, offset: Int = 0) -> TemplateError {
        var mark = node.mark
        switch node.style {
        case .plain: mark.column += offset
        case .singleQuoted, .doubleQuoted: mark.column += offset + 1
        case .literal, .folded, .block, .flow: break
        }
        return TemplateError(message, in: template, at: mark)
    }
}
