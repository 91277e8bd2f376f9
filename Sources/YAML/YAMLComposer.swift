// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Builds node trees from a parser's events. Recursion is bounded by `limits.depth`.
struct YAMLComposer: ~Copyable {
    /// A node with what it takes to put it in the place of an alias.
    private struct Composed {
        var node: YAMLNode
        /// The levels of nesting in it; 0 for a scalar.
        var height = 0
        /// Its text in bytes and `nodeCost` for every node, with aliases followed; saturates.
        var cost = YAMLLimits.nodeCost
    }

    private enum Anchored {
        case open(YAMLMark)
        case complete(Composed)
    }

    private var parser: ParserHandle
    private let limits: YAMLLimits
    private var anchors: [String: Anchored] = [:]
    private var depth = 0
    private var nodeCount = 0
    private var expansion = 0

    /// A composer of all documents that `parser` finds.
    init(parser: consuming ParserHandle, limits: YAMLLimits) {
        self.parser = parser
        self.limits = limits
    }

    /// The next document's root; `nil` at the end of the text.
    mutating func nextDocument() throws(YAMLError) -> YAMLNode? {
        while true {
            switch try parser.next().kind {
            case .streamEnd: return nil
            case .documentStart:
                anchors = [:]
                return try composed(parser.next()).node
            default: continue
            }
        }
    }

    private mutating func composed(_ event: YAMLEvent) throws(YAMLError) -> Composed {
        nodeCount += 1
        guard nodeCount <= limits.nodes else {
            throw YAMLError("the text has more than \(limits.nodes) nodes", at: event.mark)
        }
        switch event.kind {
        case .alias(let name): return try aliased(name, at: event.mark)
        case .scalar(let text, let properties):
            let node = YAMLNode(.scalar(text), mark: event.mark, tag: properties.tag, style: properties.style)
            let (cost, _) = text.utf8.count.addingReportingOverflow(YAMLLimits.nodeCost)
            let result = Composed(node: node, cost: cost)
            if let anchor = properties.anchor { anchors[anchor] = .complete(result) }
            return result
        case .sequenceStart(let properties): return try collection(properties, at: event.mark, isMapping: false)
        case .mappingStart(let properties): return try collection(properties, at: event.mark, isMapping: true)
        case .streamStart, .streamEnd, .documentStart, .documentEnd, .sequenceEnd, .mappingEnd:
            throw YAMLError("expected a value", at: event.mark)
        }
    }

    private mutating func collection(
        _ properties: YAMLEvent.Properties,
        at mark: YAMLMark,
        isMapping: Bool
    ) throws(YAMLError) -> Composed {
        depth += 1
        defer { depth -= 1 }
        try checkDepth(depth, at: mark)
        if let anchor = properties.anchor { anchors[anchor] = .open(mark) }
        var parts = Parts()
        let content: YAMLNode.Content =
            isMapping ? .mapping(try entries(&parts)) : .sequence(try items(&parts))
        let node = YAMLNode(content, mark: mark, tag: properties.tag, style: properties.style)
        let result = Composed(node: node, height: parts.height + 1, cost: parts.cost)
        if let anchor = properties.anchor { anchors[anchor] = .complete(result) }
        return result
    }

    /// The height and cost of a collection, gathered part by part.
    private struct Parts {
        var height = 0
        var cost = YAMLLimits.nodeCost

        mutating func add(_ part: Composed) -> YAMLNode {
            height = max(height, part.height)
            let (sum, hasOverflowed) = cost.addingReportingOverflow(part.cost)
            cost = hasOverflowed ? .max : sum
            return part.node
        }
    }

    private mutating func items(_ parts: inout Parts) throws(YAMLError) -> [YAMLNode] {
        var items: [YAMLNode] = []
        while true {
            let event = try parser.next()
            if event.kind == .sequenceEnd { return items }
            items.append(parts.add(try composed(event)))
        }
    }

    private mutating func entries(_ parts: inout Parts) throws(YAMLError) -> [YAMLEntry] {
        var entries: [YAMLEntry] = []
        var places: [String: YAMLMark] = [:]
        while true {
            let event = try parser.next()
            if event.kind == .mappingEnd { return entries }
            let key = parts.add(try composed(event))
            if !key.isMergeKey, key.scalar != nil, let name = try? key.jsonKey() {
                if let first = places.updateValue(event.mark, forKey: name) {
                    throw YAMLError("the key \"\(name)\" is given twice, first at \(first)", at: event.mark)
                }
            }
            entries.append(YAMLEntry(key: key, value: parts.add(try composed(parser.next()))))
        }
    }

    private mutating func aliased(_ name: String, at mark: YAMLMark) throws(YAMLError) -> Composed {
        switch anchors[name] {
        case .none: throw YAMLError("the alias *\(name) names no anchor above it", at: mark)
        case .open(let begin): throw YAMLError("the anchor &\(name) at \(begin) contains itself", at: mark)
        case .complete(let target):
            try checkDepth(depth + target.height, at: mark)
            let (sum, hasOverflowed) = expansion.addingReportingOverflow(target.cost)
            guard !hasOverflowed, sum <= limits.expansion else {
                throw YAMLError(
                    "the aliases stand for too much text: the limit is \(limits.expansion) bytes in all",
                    at: mark
                )
            }
            expansion = sum
            return target
        }
    }

    private func checkDepth(_ depth: Int, at mark: YAMLMark) throws(YAMLError) {
        guard depth <= limits.depth else {
            throw YAMLError("nested more than \(limits.depth) levels deep", at: mark)
        }
    }
}
