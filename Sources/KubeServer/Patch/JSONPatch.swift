// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// JSON patch (RFC 6902).
public enum JSONPatch {
    /// The most operations in one patch, as in the API server.
    static let maximumOperations = 10_000
    /// The most bytes that the copies of one patch may add, as in the API server.
    static let maximumCopied = 3 << 20
    /// The deepest nesting that a patch may lead to: what the body of a request may have.
    private static let maximumDepth = JSONLimits().depth

    /// `value` after all operations of `patch`, an array; none of them when one fails.
    /// - Throws: 400 for what is no patch, 422 for an operation that doesn't fit.
    public static func apply(_ patch: JSONValue, to value: JSONValue) throws(PatchError) -> JSONValue {
        guard let operations = patch.array else {
            throw .malformed(
                "error decoding patch: json: cannot unmarshal \(patch.goTypeName) into Go value of type []handlers.jsonPatchOp"
            )
        }
        guard operations.count <= maximumOperations else {
            throw .tooLarge(
                "The allowed maximum operations in a JSON patch is \(maximumOperations), got \(operations.count)"
            )
        }
        var result = value
        var copied = 0
        for operation in operations { try apply(operation: operation, to: &result, copied: &copied) }
        return result
    }

    private static func apply(
        operation: JSONValue,
        to value: inout JSONValue,
        copied: inout Int
    ) throws(PatchError) {
        guard operation.object != nil else {
            throw .malformed(
                "error decoding patch: json: cannot unmarshal \(operation.goTypeName) into Go value of type handlers.jsonPatchOp"
            )
        }
        guard let name = operation["op"]?.string else { throw .unprocessable("an operation needs a member op") }
        let path = try pointer(operation, "path")
        func given() throws(PatchError) -> JSONValue {
            guard let given = operation["value"] else { throw .unprocessable("\(name) needs a member value") }
            return given
        }
        switch name {
        case "add":
            let given = try given()
            try requireShallow(given, at: path)
            try value.add(given, at: path[...])
        case "remove": _ = try value.removeMember(at: path[...])
        case "replace":
            let given = try given()
            try requireShallow(given, at: path)
            try value.replace(with: given, at: path[...])
        case "test":
            let expected = try given()
            guard SchemaEquality.areEqual(try value.tested(at: path[...]), expected) else {
                throw .unprocessable("testing \(operation["path"]?.string ?? "") failed")
            }
        case "copy":
            let source = try value.found(at: try pointer(operation, "from")[...])
            copied += source.textSize(upTo: maximumCopied)
            guard copied <= maximumCopied else {
                throw .unprocessable(
                    "Unable to complete the copy, the accumulated size increase of copy is \(copied), exceeding the "
                        + "limit \(maximumCopied)"
                )
            }
            try requireShallow(source, at: path)
            try value.add(source, at: path[...])
        case "move":
            let from = try pointer(operation, "from")
            guard !(path.count > from.count && path.starts(with: from)) else {
                throw .unprocessable("a value can't be moved into itself")
            }
            let source = try value.found(at: from[...])
            if path == from { return }
            try requireShallow(source, at: path)
            _ = try value.removeMember(at: from[...])
            try value.add(source, at: path[...])
        default: throw .unprocessable("unknown operation \(name)")
        }
    }

    /// Refuses a value that would be nested too deeply where it is put.
    private static func requireShallow(_ value: JSONValue, at path: [String]) throws(PatchError) {
        guard value.isNested(deeperThan: maximumDepth - path.count) else { return }
        throw .unprocessable("the result would be nested more than \(maximumDepth) levels deep")
    }

    /// Reads a JSON pointer (RFC 6901).
    private static func pointer(_ operation: JSONValue, _ member: String) throws(PatchError) -> [String] {
        guard let text = operation[member]?.string else {
            throw .unprocessable("an operation needs a member \(member)")
        }
        if text.isEmpty { return [] }
        guard text.hasPrefix("/") else { throw .unprocessable("the pointer \(text) must begin with /") }
        return text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
            String($0).replacing("~1", with: "/").replacing("~0", with: "~")
        }
    }
}

/// Equality of JSON values where `1` and `1.0` are one number.
enum SchemaEquality {
    /// Whether both are the same JSON.
    static func areEqual(_ left: JSONValue, _ right: JSONValue) -> Bool {
        switch (left, right) {
        case (.integer, .double), (.double, .integer): left.double == right.double
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { areEqual($0, $1) }
        case (.object(let left), .object(let right)):
            left.keys.elementsEqual(right.keys) { $0.utf8.elementsEqual($1.utf8) }
                && zip(left.values, right.values).allSatisfy { areEqual($0, $1) }
        default: left == right
        }
    }
}

extension JSONValue {
    /// An array index of a pointer: digits without a leading zero.
    fileprivate static func index(_ token: String, count: Int, orEnd: Bool) throws(PatchError) -> Int {
        if orEnd, token == "-" { return count }
        let isNumber = !token.isEmpty && token.utf8.allSatisfy { (48...57).contains($0) }
        guard isNumber, token == "0" || token.first != "0", let index = Int(token), index < count + (orEnd ? 1 : 0)
        else { throw .unprocessable("there is no element \(token)") }
        return index
    }

    fileprivate func found(at path: ArraySlice<String>) throws(PatchError) -> JSONValue {
        guard let token = path.first else { return self }
        switch self {
        case .object(let members):
            guard let member = members[token] else { throw .unprocessable("there is no member \(token)") }
            return try member.found(at: path.dropFirst())
        case .array(let elements):
            return try elements[Self.index(token, count: elements.count, orEnd: false)].found(at: path.dropFirst())
        default: throw .unprocessable("there is nothing at \(token)")
        }
    }

    /// The value at `path`, for a test: a member that isn't there is null, as in the API server's library.
    fileprivate func tested(at path: ArraySlice<String>) throws(PatchError) -> JSONValue {
        guard let last = path.last else { return self }
        let parent = try found(at: path.dropLast())
        if case .object(let members) = parent { return members[last] ?? .null }
        return try parent.found(at: [last])
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

    /// Changes the value that holds the last step of `path`.
    fileprivate mutating func change(
        _ path: ArraySlice<String>,
        _ body: (inout JSONValue, String) throws(PatchError) -> Void
    ) throws(PatchError) {
        guard let token = path.first else { return }
        if path.count == 1 { return try body(&self, token) }
        switch self {
        case .object(var members):
            guard var member = members[token] else { throw .unprocessable("there is no member \(token)") }
            try member.change(path.dropFirst(), body)
            members[token] = member
            self = .object(members)
        case .array(var elements):
            let index = try Self.index(token, count: elements.count, orEnd: false)
            try elements[index].change(path.dropFirst(), body)
            self = .array(elements)
        default: throw .unprocessable("there is nothing at \(token)")
        }
    }

    fileprivate mutating func add(_ value: JSONValue, at path: ArraySlice<String>) throws(PatchError) {
        if path.isEmpty {
            self = value
            return
        }
        try change(path) { (parent, token) throws(PatchError) in
            switch parent {
            case .object: parent[token] = value
            case .array(var elements):
                elements.insert(value, at: try Self.index(token, count: elements.count, orEnd: true))
                parent = .array(elements)
            default: throw .unprocessable("nothing can be added at \(token)")
            }
        }
    }

    fileprivate mutating func removeMember(at path: ArraySlice<String>) throws(PatchError) -> JSONValue {
        let removed = try found(at: path)
        if path.isEmpty { self = .null }
        try change(path) { (parent, token) throws(PatchError) in
            switch parent {
            case .array(var elements):
                elements.remove(at: try Self.index(token, count: elements.count, orEnd: false))
                parent = .array(elements)
            default: parent[token] = nil
            }
        }
        return removed
    }

    fileprivate mutating func replace(with value: JSONValue, at path: ArraySlice<String>) throws(PatchError) {
        if path.isEmpty {
            self = value
            return
        }
        _ = try found(at: path)
        try change(path) { (parent, token) throws(PatchError) in
            switch parent {
            case .array(var elements):
                elements[try Self.index(token, count: elements.count, orEnd: false)] = value
                parent = .array(elements)
            default: parent[token] = value
            }
        }
    }
}

extension JSONValue {
    /// The word that Go's JSON decoder has for the type.
    var goTypeName: String {
        switch self {
        case .bool: "bool"
        case .integer, .double: "number"
        default: typeName
        }
    }
}
