// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import YAML

/// Turns one template and a scope into a JSON value. `nil` is nothing: an entry or item that disappears.
struct TemplateRenderer {
    private let compiler: TemplateCompiler
    private var scope: TemplateScope
    private var remaining = TemplateRenderer.maximumNodes

    /// How many values a template may make: loops within loops can't run away (a pod has some hundred).
    static let maximumNodes = 100_000

    /// A renderer of `template` with everything in `context`.
    init(template: String, context: TemplateContext) {
        compiler = TemplateCompiler(template: template)
        scope = TemplateScope(context: context)
    }

    /// The value of a node; `nil` when it is nothing.
    mutating func render(_ node: TemplateNode, _ place: YAMLMark) throws(TemplateError) -> JSONValue? {
        switch node {
        case .constant(let value, let size):
            try spend(size, place)
            return value
        case .reference(let reference, let source):
            try spend(1, source.mark)
            return try value(of: reference, source)
        case .text(let pieces, let source):
            try spend(1, source.mark)
            return try text(pieces, source)
        case .list(let items):
            try spend(1, place)
            return try list(items, place)
        case .mapping(let parts):
            try spend(1, place)
            return try mapping(parts, place)
        case .loop(let loop):
            try spend(1, loop.source.mark)
            return try repeated(loop).map { .array($0) }
        case .broken(let error): throw error
        }
    }

    private mutating func spend(_ count: Int, _ place: YAMLMark) throws(TemplateError) {
        remaining -= count
        guard remaining >= 0 else {
            let message = "it makes more than \(Self.maximumNodes) values"
            throw TemplateError(message, in: compiler.template, at: place)
        }
    }

    private mutating func list(_ items: [TemplateNode], _ place: YAMLMark) throws(TemplateError) -> JSONValue? {
        var elements: [JSONValue] = []
        for item in items {
            if case .loop(let loop) = item {
                elements.append(contentsOf: try repeated(loop) ?? [])
            } else if let element = try render(item, place) {
                elements.append(element)
            }
        }
        return elements.isEmpty && !items.isEmpty ? nil : .array(elements)
    }

    private mutating func mapping(
        _ parts: TemplateNode.Mapping,
        _ place: YAMLMark
    ) throws(TemplateError) -> JSONValue? {
        try spend(parts.size, place)
        var members = parts.constants
        for (key, node) in parts.members { if let value = try render(node, place) { members[key] = value } }
        for merge in parts.merges {
            switch try render(merge.node, merge.source.mark) {
            case .none: continue
            case .object(let overlay): members = TemplateMerge.merging(members, overlay)
            case .some(let value):
                throw compiler.failure("$merge needs a mapping, not \(value.typeName)", merge.source)
            }
        }
        return members.isEmpty && !parts.isEmpty ? nil : .object(members)
    }

    /// The body of a `$for` for each element of its list; `nil` when the list is nothing.
    private mutating func repeated(_ loop: TemplateNode.Loop) throws(TemplateError) -> [JSONValue]? {
        guard scope.context.value[loop.name] == nil, scope.variables[loop.name] == nil else {
            throw compiler.failure("the name \(loop.name) of $for is taken already", loop.source)
        }
        guard let list = try value(of: loop.list, loop.source) else { return nil }
        guard case .array(let elements) = list else {
            throw compiler.failure("$for needs a list, not \(list.typeName)", loop.source)
        }
        if let flaw = loop.flaw { throw flaw }
        let known = Set(elements.flatMap { $0.object?.keys ?? [] })
        let outer = scope
        defer { scope = outer }
        var results: [JSONValue] = []
        for element in elements {
            scope.variables[loop.name] = TemplateScope.Variable(value: element, knownMembers: known)
            if let value = loop.value {
                if let result = try render(value, loop.source.mark) { results.append(result) }
            } else if let result = try mapping(loop.body, loop.source.mark) {
                results.append(result)
            }
        }
        return results
    }

    private func text(_ pieces: [TemplatePiece], _ source: YAMLNode) throws(TemplateError) -> JSONValue? {
        var result = ""
        for piece in pieces {
            switch piece {
            case .text(let text): result += text
            case .reference(let reference):
                switch try value(of: reference, source) {
                case .none: return nil
                case .string(let text): result += text
                case .some(let value) where value.array == nil && value.object == nil: result += value.jsonText
                case .some(let value):
                    throw compiler.failure(
                        "\(reference.pathText) can't stand inside text: it has the type \(value.typeName)",
                        source,
                        offset: reference.offset
                    )
                }
            }
        }
        return .string(result)
    }

    private func value(of reference: TemplateReference, _ source: YAMLNode) throws(TemplateError) -> JSONValue? {
        do {
            return try scope.value(at: reference.path) ?? reference.fallback
        } catch {
            throw compiler.failure(error.message, source, offset: reference.offset)
        }
    }
}
