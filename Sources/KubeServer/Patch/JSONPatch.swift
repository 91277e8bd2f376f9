// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// JSON patch (RFC 6902) as the API server's library has it.
///
/// It is laxer than the RFC in some things, which clients have come to lean on: `replace` and `test` take a member that
/// isn't there for null, so does `copy`; a `value` that isn't given is null; indices may be negative, which counts from the
/// end, and have leading zeros; what stands before the first `/` of a pointer is ignored. It is stricter in one: the whole
/// document can be replaced by an object or array and tested, but not be added, removed, moved or copied.
public enum JSONPatch {
    /// The most operations in one patch, as in the API server.
    static let maximumOperations = 10_000
    /// The most bytes that the copies of one patch may add, as in the API server.
    static let maximumCopied = 3 << 20
    /// The deepest nesting that a patch may lead to: what the body of a request may have.
    static let maximumDepth = JSONLimits().depth

    /// `value` after all operations of `patch`, an array; none of them when one fails.
    /// - Parameter respelled: The indices of operations with numbers that `respelled(in:)` found.
    /// - Throws: 400 for what is no patch, 413 for too many operations, 422 for one that doesn't fit.
    public static func apply(
        _ patch: JSONValue,
        to value: JSONValue,
        respelled: Set<Int> = []
    ) throws(PatchError) -> JSONValue {
        var operations = try operations(of: patch)
        for index in respelled where operations.indices.contains(index) { operations[index].isRespelled = true }
        guard operations.count <= maximumOperations else {
            throw .tooLarge(
                "The allowed maximum operations in a JSON patch is \(maximumOperations), got \(operations.count)"
            )
        }
        var document = PatchedDocument(value)
        for operation in operations { try document.apply(operation) }
        return document.root
    }

    private static func operations(of patch: JSONValue) throws(PatchError) -> [JSONPatchOperation] {
        if patch.isNull { return [] }
        guard let elements = patch.array else { throw .undecodable(patch, as: "jsonpatch.Patch") }
        var operations: [JSONPatchOperation] = []
        for element in elements {
            guard element.isNull || element.object != nil else {
                throw .undecodable(element, as: "jsonpatch.Operation")
            }
            operations.append(JSONPatchOperation(json: element))
        }
        return operations
    }

    /// Checks the types of a patch's fields, as the API server does unless the client asks for no validation.
    /// - Returns: The paths of fields that operations don't have: `[0].values`.
    /// - Throws: 400 for a field of another type.
    static func unknownFields(in patch: JSONValue) throws(PatchError) -> [String] {
        if patch.isNull { return [] }
        guard let elements = patch.array else { throw .undecodable(patch, as: "[]handlers.jsonPatchOp") }
        var unknown: [String] = []
        for (index, element) in elements.enumerated() where !element.isNull {
            guard let members = element.object else { throw .undecodable(element, as: "handlers.jsonPatchOp") }
            for (name, member) in members where name != "value" {
                if !["op", "path", "from"].contains(name) {
                    unknown.append("[\(index)].\(name.asPathStep)")
                } else if !member.isNull, member.string == nil {
                    throw .malformed(
                        "json: cannot unmarshal \(member.goTypeName) into Go struct field jsonPatchOp.\(name) of type "
                            + "string"
                    )
                }
            }
        }
        return unknown
    }
}

extension PatchError {
    /// A part of the patch has another type than its decoder expects.
    fileprivate static func undecodable(_ value: JSONValue, as type: String) -> PatchError {
        .malformed("json: cannot unmarshal \(value.goTypeName) into Go value of type \(type)")
    }
}

/// One operation of a JSON patch.
struct JSONPatchOperation {
    /// The operation as it was sent: an object, or null.
    let json: JSONValue
    /// Whether it has a number that isn't written as the API server writes it: `1.50`, `1e3`.
    var isRespelled = false

    /// What to do: `add`, `replace`; `unknown` where it isn't said.
    var kind: String { json["op"]?.string ?? "unknown" }

    /// The value; `nil` when there is none.
    var value: JSONValue? { json["value"] }

    /// Where to do it.
    func path() throws(PatchError) -> JSONPointer { try pointer("path") }

    /// Where the value comes from.
    func from() throws(PatchError) -> JSONPointer { try pointer("from") }

    private func pointer(_ member: String) throws(PatchError) -> JSONPointer {
        guard let text = json[member]?.string else {
            throw .unprocessable("operation missing \(member) field: missing value")
        }
        return JSONPointer(text)
    }
}

/// A JSON pointer (RFC 6901): `/spec/containers/0`.
struct JSONPointer {
    /// The pointer as it was written.
    let text: String
    /// The names on the way; none for the whole document, and where there is no `/`.
    let steps: ArraySlice<String>

    /// Reads a pointer; what stands before its first `/` isn't looked at.
    init(_ text: String) {
        self.text = text
        // By bytes: a `/` with a combining mark after it is one character, but a slash all the same.
        steps = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { Self.unescaped(Substring($0)) }.dropFirst()
    }

    /// A name with `~1` for `/` and `~0` for `~`.
    private static func unescaped(_ name: Substring) -> String {
        guard name.utf8.contains(UInt8(ascii: "~")) else { return String(name) }
        var bytes: [UInt8] = []
        var rest = name.utf8[...]
        while let byte = rest.popFirst() {
            switch (byte, rest.first) {
            case (UInt8(ascii: "~"), UInt8(ascii: "0")?):
                bytes.append(UInt8(ascii: "~"))
                rest.removeFirst()
            case (UInt8(ascii: "~"), UInt8(ascii: "1")?):
                bytes.append(UInt8(ascii: "/"))
                rest.removeFirst()
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
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
