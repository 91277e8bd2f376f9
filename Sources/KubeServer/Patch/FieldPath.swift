// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// One step on the way to a field.
enum PathElement: Hashable, Sendable {
    /// A member: `f:name`.
    case field(String)
    /// An element that its members identify: `k:{"name":"c"}`.
    case key(JSONObject)
    /// An element that its value identifies: `v:"a"`.
    case value(JSONValue)
    /// An element by its index: `i:0`.
    case index(Int)

    /// As `managedFields` spells it.
    var encoded: String {
        switch self {
        case .field(let name): "f:" + name
        case .key(let members): "k:" + JSONValue.object(members).jsonText
        case .value(let value): "v:" + value.jsonText
        case .index(let index): "i:\(index)"
        }
    }

    /// Reads what `encoded` writes; `nil` for anything else.
    init?(encoded text: String) {
        let rest = String(text.dropFirst(2))
        switch text.prefix(2) {
        case "f:": self = .field(rest)
        case "k:":
            guard let members = (try? JSONValue(parsing: rest))?.object else { return nil }
            self = .key(members)
        case "v:":
            guard let value = try? JSONValue(parsing: rest) else { return nil }
            self = .value(value)
        case "i:":
            guard let index = Int(rest) else { return nil }
            self = .index(index)
        default: return nil
        }
    }

    /// As messages spell it: `.spec`, `[name="p"]`, `[="a"]`, `[0]`.
    var text: String {
        switch self {
        case .field(let name): "." + name
        case .key(let members): "[" + members.map { "\($0.key)=\($0.value.jsonText)" }.joined(separator: ",") + "]"
        case .value(let value): "[=" + value.jsonText + "]"
        case .index(let index): "[\(index)]"
        }
    }
}

extension PathElement {
    /// Whether both are the same step: names are compared as bytes, which JSON does and Swift's own `==` doesn't.
    static func == (left: PathElement, right: PathElement) -> Bool {
        switch (left, right) {
        case (.field(let left), .field(let right)): JSONValue.string(left) == .string(right)
        case (.key(let left), .key(let right)): left == right
        case (.value(let left), .value(let right)): left == right
        case (.index(let left), .index(let right)): left == right
        default: false
        }
    }

    /// Notes names as bytes, as `==` compares them.
    func hash(into hasher: inout Hasher) {
        switch self {
        case .field(let name): JSONValue.string(name).hash(into: &hasher)
        case .key(let members): members.hash(into: &hasher)
        case .value(let value): value.hash(into: &hasher)
        case .index(let index): hasher.combine(index)
        }
    }
}

/// A set of fields, as a tree.
struct FieldSet: Hashable, Sendable {
    /// The members of the set at this level.
    var members: Set<PathElement> = []
    /// The sets below; never an empty one.
    private(set) var children: [PathElement: FieldSet] = [:]

    /// Whether no field is in the set.
    var isEmpty: Bool { members.isEmpty && children.isEmpty }

    /// The set below `element`.
    subscript(element: PathElement) -> FieldSet {
        get { children[element] ?? FieldSet() }
        set { children[element] = newValue.isEmpty ? nil : newValue }
    }

    /// Adds the field at `path`; the empty path is no field.
    mutating func insert(_ path: ArraySlice<PathElement>) {
        guard let first = path.first else { return }
        if path.count == 1 {
            members.insert(first)
        } else {
            children[first, default: FieldSet()].insert(path.dropFirst())
        }
    }

    /// The fields in either.
    func union(_ other: FieldSet) -> FieldSet {
        var result = self
        result.formUnion(other)
        return result
    }

    /// Adds the fields of `other`.
    mutating func formUnion(_ other: FieldSet) {
        members.formUnion(other.members)
        for (element, set) in other.children { children[element, default: FieldSet()].formUnion(set) }
    }

    /// The fields in both.
    func intersection(_ other: FieldSet) -> FieldSet {
        var result = FieldSet(members: members.intersection(other.members))
        for (element, set) in children { result[element] = set.intersection(other[element]) }
        return result
    }

    /// The fields that aren't in `other`.
    func difference(_ other: FieldSet) -> FieldSet {
        var result = FieldSet(members: members.subtracting(other.members))
        for (element, set) in children { result[element] = set.difference(other[element]) }
        return result
    }

    /// The fields that neither are in `other` nor lie below one that is.
    func recursiveDifference(_ other: FieldSet) -> FieldSet {
        var result = FieldSet(members: members.subtracting(other.members))
        for (element, set) in children where !other.members.contains(element) {
            result[element] = set.recursiveDifference(other[element])
        }
        return result
    }

    /// The set with every declared member that has fields below it.
    func withDeclaredParents(_ shape: TypeShape) -> FieldSet {
        var result = FieldSet(members: members)
        for (element, set) in children {
            var next = TypeShape.anything
            if case .field(let name) = element {
                if shape.declares(name) { result.members.insert(element) }
                next = shape.member(name) ?? .anything
            } else {
                next = shape.element
            }
            result[element] = set.withDeclaredParents(next)
        }
        return result
    }

    /// The first `limit` paths as messages spell them, with long steps cut, in their order: at each level its fields, then
    /// what lies below.
    func paths(limit: Int) -> [String] {
        var result: [String] = []
        collectPaths(after: "", limit: limit, into: &result)
        return result
    }

    private func collectPaths(after prefix: String, limit: Int, into result: inout [String]) {
        for element in members.sorted(by: { $0.encoded < $1.encoded }) where result.count < limit {
            result.append(prefix + element.text.asPathStep)
        }
        for (element, set) in children.sorted(by: { $0.key.encoded < $1.key.encoded }) where result.count < limit {
            set.collectPaths(after: prefix + element.text.asPathStep, limit: limit, into: &result)
        }
    }
}

extension FieldSet {
    /// The set as `fieldsV1` holds it.
    var json: JSONValue {
        var pairs: [(String, JSONValue)] = []
        for element in members.union(children.keys) {
            guard let set = children[element] else {
                pairs.append((element.encoded, .emptyObject))
                continue
            }
            var below = set.json
            if members.contains(element) { below["."] = .emptyObject }
            pairs.append((element.encoded, below))
        }
        return .object(JSONObject(pairs: pairs))
    }

    /// Reads `fieldsV1`; what isn't understood is left out. Recursion is bounded by the JSON's own depth.
    init(json: JSONValue?) {
        guard let object = json?.object else { return }
        for (text, below) in object where text != "." {
            guard let element = PathElement(encoded: text) else { continue }
            let set = FieldSet(json: below)
            if set.isEmpty || below["."] != nil { members.insert(element) }
            self[element] = set
        }
    }
}
