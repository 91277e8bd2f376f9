// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// A document on its way through the operations of a JSON patch.
struct PatchedDocument {
    /// The document so far.
    private(set) var root: JSONValue
    /// How many bytes copies have added, about.
    private var copied = 0
    /// How deeply the document is nested at most.
    private var depth: Int
    /// Whether an operation may have put a number into it that isn't written as the API server writes it.
    private var isRespelled = false

    /// A document as it is before the first operation.
    init(_ root: JSONValue) {
        self.root = root
        depth = root.nesting
    }

    /// Changes the document as `operation` says.
    mutating func apply(_ operation: JSONPatchOperation) throws(PatchError) {
        if operation.isRespelled, operation.kind != "test" { isRespelled = true }
        switch operation.kind {
        case "add":
            let value = operation.value ?? .null
            try add(value, nesting: value.nesting, at: try operation.path())
        case "remove": try remove(at: try operation.path())
        case "replace": try replace(at: try operation.path(), with: operation.value)
        case "move":
            let from = try operation.from()
            let value = try self.value(at: from)
            try remove(at: from)
            try add(value, nesting: max(0, depth - from.steps.count), at: try operation.path())
        case "copy":
            let value = try self.value(at: try operation.from())
            try countCopy(value)
            try add(value, nesting: value.nesting, at: try operation.path())
        case "test": try test(at: try operation.path(), operation)
        default: throw .unprocessable("Unexpected kind: \(operation.kind)")
        }
    }

    private mutating func add(_ value: JSONValue, nesting: Int, at path: JSONPointer) throws(PatchError) {
        try change(path) { (container, token) throws(PatchError) in
            try container.changeElements { (elements) throws(PatchError) in
                let place = token == "-" ? elements.count : try index(token, in: elements.count + 1)
                elements.insert(value, at: place)
            } orMembers: {
                $0[token] = value
            }
        }
        try deepen(to: path.steps.count + nesting)
    }

    private mutating func remove(at path: JSONPointer) throws(PatchError) {
        try change(path) { (container, token) throws(PatchError) in
            try container.changeElements { (elements) throws(PatchError) in
                elements.remove(at: try index(token, in: elements.count))
            } orMembers: { (members) throws(PatchError) in
                guard members[token] != nil else {
                    throw .unprocessable("Unable to remove nonexistent key: \(token): missing value")
                }
                members[token] = nil
            }
        }
    }

    private mutating func replace(at path: JSONPointer, with value: JSONValue?) throws(PatchError) {
        let value = value ?? .null
        if path.text.isEmpty {
            guard value.object != nil || value.array != nil else {
                throw .unprocessable("replace operation value must be object or array")
            }
            root = value
        } else {
            try change(path) { (container, token) throws(PatchError) in
                try container.changeElements { (elements) throws(PatchError) in
                    elements[try index(token, in: elements.count)] = value
                } orMembers: {
                    $0[token] = value
                }
            }
        }
        try deepen(to: path.steps.count + value.nesting)
    }

    private func test(at path: JSONPointer, _ operation: JSONPatchOperation) throws(PatchError) {
        let value = path.text.isEmpty ? root : try self.value(at: path)
        // `1.50` isn't 1.5, for texts are compared: it can only be found where this patch put it.
        let isSpeltAlike = !operation.isRespelled || isRespelled
        guard isSpeltAlike, value.isWritten(as: operation.value ?? .null) else {
            throw .unprocessable("testing value \(path.text) failed: test failed")
        }
    }

    /// The value at `path`; null for a member that isn't there.
    private func value(at path: JSONPointer) throws(PatchError) -> JSONValue {
        guard !path.steps.isEmpty else { throw missing(path) }
        var value = root
        for (place, token) in path.steps.enumerated() {
            switch value {
            case .object(let members):
                guard let member = members[token] else {
                    if place + 1 == path.steps.count { return .null }
                    throw missing(path)
                }
                value = member
            case .array(let elements): value = elements[try index(token, in: elements.count)]
            default: throw missing(path)
            }
        }
        return value
    }

    /// Changes, in place, the object or array that holds the last step of `path`.
    private mutating func change(
        _ path: JSONPointer,
        _ body: (inout JSONValue, String) throws(PatchError) -> Void
    ) throws(PatchError) {
        guard let last = path.steps.last else { throw missing(path) }
        let isFound = try root.change(at: path.steps.dropLast()) { (container) throws(PatchError) in
            try body(&container, last)
        }
        if !isFound { throw missing(path) }
    }

    private mutating func countCopy(_ value: JSONValue) throws(PatchError) {
        copied += value.textSize(upTo: JSONPatch.maximumCopied)
        guard copied <= JSONPatch.maximumCopied else {
            throw .unprocessable(
                "Unable to complete the copy, the accumulated size increase of copy is \(copied), exceeding the limit "
                    + "\(JSONPatch.maximumCopied)"
            )
        }
    }

    /// Notes that the document may be nested `depth` deep, and refuses it where it is too deep.
    private mutating func deepen(to depth: Int) throws(PatchError) {
        self.depth = max(self.depth, depth)
        guard self.depth > JSONPatch.maximumDepth else { return }
        self.depth = root.nesting
        guard self.depth > JSONPatch.maximumDepth else { return }
        throw .unprocessable("the result would be nested more than \(JSONPatch.maximumDepth) levels deep")
    }

    private func missing(_ path: JSONPointer) -> PatchError {
        .unprocessable("doc is missing path: \"\(path.text)\": missing value")
    }
}

/// The index that `token` stands for in an array with `count` places; negative ones count from the end.
private func index(_ token: String, in count: Int) throws(PatchError) -> Int {
    guard let number = Int(token) else {
        throw .unprocessable("value was not a proper array index: '\(token)'")
    }
    let index = number < 0 ? number + count : number
    guard (0..<count).contains(index) else {
        throw .unprocessable("Unable to access invalid index: \(token): invalid index referenced")
    }
    return index
}

extension JSONValue {
    /// How deeply arrays and objects are nested: 0 for a scalar.
    fileprivate var nesting: Int {
        switch self {
        case .array(let elements): 1 + elements.reduce(0) { max($0, $1.nesting) }
        case .object(let members): 1 + members.values.reduce(0) { max($0, $1.nesting) }
        case .null, .bool, .integer, .double, .string: 0
        }
    }

    /// Whether the API server writes this as `expected` was written: `1` isn't `1.0`, for it compares texts.
    fileprivate func isWritten(as expected: JSONValue) -> Bool {
        switch (self, expected) {
        case (.double, .integer): asReadBack == expected
        case (.array(let own), .array(let others)):
            own.count == others.count && zip(own, others).allSatisfy { $0.isWritten(as: $1) }
        case (.object(let own), .object(let others)):
            own.keys.elementsEqual(others.keys) { $0.utf8.elementsEqual($1.utf8) }
                && zip(own.values, others.values).allSatisfy { $0.isWritten(as: $1) }
        default: self == expected
        }
    }

    /// How many bytes the JSON text has, about; counting stops beyond `limit`.
    fileprivate func textSize(upTo limit: Int) -> Int {
        switch self {
        case .null, .bool: return 4
        case .integer, .double: return jsonText.utf8.count
        case .string(let text): return text.utf8.count + 2
        case .array(let elements):
            var size = 1
            for element in elements {
                size += element.textSize(upTo: limit - size) + 1
                if size > limit { break }
            }
            return size
        case .object(let members):
            var size = 1
            for (name, member) in members {
                size += name.utf8.count + 4 + member.textSize(upTo: limit - size)
                if size > limit { break }
            }
            return size
        }
    }

    /// Changes, in place, the object or array at `path`; false when there is none.
    fileprivate mutating func change(
        at path: ArraySlice<String>,
        _ body: (inout JSONValue) throws(PatchError) -> Void
    ) throws(PatchError) -> Bool {
        guard let token = path.first else {
            guard object != nil || array != nil else { return false }
            try body(&self)
            return true
        }
        var isFound = false
        try changeElements { (elements) throws(PatchError) in
            let place = try index(token, in: elements.count)
            isFound = try elements[place].change(at: path.dropFirst(), body)
        } orMembers: { (members) throws(PatchError) in
            guard var member = members[token] else { return }
            members[token] = .null  // Gives up the object's reference, so that the member changes in place.
            isFound = try member.change(at: path.dropFirst(), body)
            members[token] = member
        }
        return isFound
    }

    /// Changes the elements of an array or the members of an object in place; a scalar is left alone.
    fileprivate mutating func changeElements(
        _ changeElements: (inout [JSONValue]) throws(PatchError) -> Void,
        orMembers changeMembers: (inout JSONObject) throws(PatchError) -> Void
    ) throws(PatchError) {
        // In both cases this value's reference is given up, so that what it holds changes in place.
        if case .array(var elements) = self {
            self = .null
            try changeElements(&elements)
            self = .array(elements)
        } else if case .object(var members) = self {
            self = .null
            try changeMembers(&members)
            self = .object(members)
        }
    }
}
