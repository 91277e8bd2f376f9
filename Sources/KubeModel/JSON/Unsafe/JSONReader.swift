// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A recursive-descent reader over whole bytes; depth is bounded.
///
/// Values and names that belong to unfinished arrays and objects lie on two stacks; a finished one takes its own with it,
/// so that each array has the size it needs and nothing is counted twice. Names that come again share their storage.
@safe struct JSONReader: ~Copyable {
    /// One step of the path to the value that is being read: a member's name in the text, or an element's index.
    private struct Step {
        var start: Int
        var length: Int  // Below 0 for an element.
    }

    /// The text, for as long as it is being read.
    let bytes: UnsafePointer<UInt8>
    /// Its length in bytes.
    let count: Int
    /// The deepest nesting that is read.
    let maximumDepth: Int
    /// Where reading stands.
    var position = 0
    /// How many arrays and objects are open.
    var depth = 0
    /// Long names that came lately, by a hash of their bytes.
    var known = [String?](repeating: nil, count: 512)
    private let nodes: [JSONProjection.Node]
    private var path: [Step] = []
    /// The paths of members that came twice; `nil` where nobody asks.
    private var duplicates: [String]?
    private var values: MoveStack<JSONValue> = MoveStack()
    private var names: MoveStack<String> = MoveStack()
    private var spans: [Step] = []
    private var order: [Int] = []

    /// The most paths that are noted, as in the API server's decoder.
    private static let maximumDuplicates = 100

    /// Reads one text.
    static func read(
        _ bytes: [UInt8],
        limits: JSONLimits,
        projection: JSONProjection
    ) throws(JSONError) -> JSONValue {
        try read(bytes, limits, projection, notes: false, handing: nil).0
    }

    /// Reads one text; answers the value and the paths of members that came twice, of the first 100 such.
    static func readNotingDuplicates(
        _ bytes: [UInt8],
        limits: JSONLimits
    ) throws(JSONError) -> (JSONValue, [String]) {
        try read(bytes, limits, .everything, notes: true, handing: nil)
    }

    /// Reads an object, and hands over the texts of the elements of one of its arrays.
    static func read(
        _ bytes: [UInt8],
        limits: JSONLimits,
        handingOverTextsOf member: String,
        to body: ([UInt8]) -> Void
    ) throws(JSONError) -> JSONValue {
        try withoutActuallyEscaping(body) { (body) throws(JSONError) in
            try read(bytes, limits, .everything, notes: false, handing: (Array(member.utf8), body)).0
        }
    }

    private static func read(
        _ bytes: [UInt8],
        _ limits: JSONLimits,
        _ projection: JSONProjection,
        notes: Bool,
        handing: Handing?
    ) throws(JSONError) -> (JSONValue, [String]) {
        guard bytes.count <= limits.bytes else {
            throw JSONError("the text has \(bytes.count) bytes, the limit is \(limits.bytes)", offset: limits.bytes)
        }
        let result = unsafe bytes.withUnsafeBufferPointer { buffer -> Result<(JSONValue, [String]), JSONError> in
            guard let start = buffer.baseAddress else {
                return .failure(JSONError("unexpected end of the text", offset: 0))
            }
            var reader = unsafe JSONReader(start, buffer.count, limits.depth, projection)
            if notes { reader.duplicates = [] }
            do throws(JSONError) {
                return .success((try reader.document(handing: handing), reader.duplicates ?? []))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private init(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ maximumDepth: Int, _ projection: JSONProjection) {
        unsafe self.bytes = bytes
        self.count = count
        self.maximumDepth = maximumDepth
        nodes = projection.nodes
    }

    private mutating func document(handing: Handing?) throws(JSONError) -> JSONValue {
        skipSpace()
        let isObject = handing != nil && current == UInt8(ascii: "{")
        let result = isObject ? try object(node: 0, handing: handing) : try value(node: 0)
        skipSpace()
        guard position == count else { throw failure("expected the end of the text") }
        return result
    }

    // MARK: Bytes

    /// The byte to be read; `nil` at the end.
    var current: UInt8? { position < count ? unsafe bytes[position] : nil }

    /// An error at the present place.
    func failure(_ message: String) -> JSONError { JSONError(message, offset: position) }

    mutating func skipSpace() {
        while position < count {
            switch unsafe bytes[position] {
            case 0x20, 0x0a, 0x0d, 0x09: position += 1
            default: return
            }
        }
    }

    // MARK: Values

    private mutating func value(node: Int?) throws(JSONError) -> JSONValue {
        switch current {
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "{"): return try object(node: node, handing: nil)
        case UInt8(ascii: "["): return try array(node: node)
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case .some(let byte) where byte == UInt8(ascii: "-") || isDigit(byte): return try number()
        case nil: throw failure("unexpected end of the text")
        case .some: throw failure("expected a value")
        }
    }

    private mutating func deeper() throws(JSONError) {
        depth += 1
        guard depth <= maximumDepth else { throw failure("nested more than \(maximumDepth) levels deep") }
        position += 1
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for byte in "\(text)".utf8 {
            guard current == byte else { throw failure("expected \(text)") }
            position += 1
        }
        return value
    }

    /// The array whose elements aren't kept, and what takes their texts.
    private typealias Handing = (member: [UInt8], taker: ([UInt8]) -> Void)

    private mutating func object(node: Int?, handing: Handing?) throws(JSONError) -> JSONValue {
        try deeper()
        let base = names.count
        skipSpace()
        if current == UInt8(ascii: "}") {
            position += 1
            depth -= 1
            return .emptyObject
        }
        while true {
            guard current == UInt8(ascii: "\"") else { throw failure("expected a member name in quotes") }
            let start = position + 1
            let name = try string(isName: true)
            let step = Step(start: start, length: position - 1 - start)
            skipSpace()
            guard current == UInt8(ascii: ":") else { throw failure("expected a colon after \"\(name)\"") }
            position += 1
            skipSpace()
            path.append(step)
            let (child, isDropped) = node.map { childNode(of: $0, step) } ?? (nil, false)
            if isDropped {
                try skipValue()
            } else if let handing, current == UInt8(ascii: "["), isText(step, handing.member) {
                _ = try array(node: child, handing: handing.taker)
            } else {
                let value = try value(node: child)
                values.push(value)
                names.push(name)
                spans.append(step)
            }
            path.removeLast()
            skipSpace()
            switch current {
            case UInt8(ascii: ","):
                position += 1
                skipSpace()
            case UInt8(ascii: "}"):
                position += 1
                depth -= 1
                return .object(finishObject(from: base))
            default: throw failure("expected a comma or }")
            }
        }
    }

    /// An array; with `handing`, which takes the texts of its elements, an empty one.
    private mutating func array(node: Int?, handing: (([UInt8]) -> Void)? = nil) throws(JSONError) -> JSONValue {
        try deeper()
        let base = values.count
        skipSpace()
        if current == UInt8(ascii: "]") {
            position += 1
            depth -= 1
            return .array([])
        }
        var index = 0
        while true {
            path.append(Step(start: index, length: -1))
            if let handing {
                let start = position
                try skipValue()
                unsafe handing(Array(UnsafeBufferPointer(start: bytes + start, count: position - start)))
            } else {
                let value = try value(node: node)
                values.push(value)
            }
            path.removeLast()
            index += 1
            skipSpace()
            switch current {
            case UInt8(ascii: ","):
                position += 1
                skipSpace()
            case UInt8(ascii: "]"):
                position += 1
                depth -= 1
                return .array(values.take(values.count - base))
            default: throw failure("expected a comma or ]")
            }
        }
    }

    /// Takes the members above `base` from the stacks; sorted by name, of two with one name the later.
    private mutating func finishObject(from base: Int) -> JSONObject {
        let number = names.count - base
        let first = spans.count - number
        defer { spans.removeLast(number) }
        var isSorted = true
        for index in stride(from: first + 1, to: spans.count, by: 1)
        where compare(spans[index - 1], spans[index]) >= 0 {
            isSorted = false
            break
        }
        if isSorted { return JSONObject(sortedKeys: names.take(number), values: values.take(number)) }
        sortOrder(number, from: first)
        let isUnique =
            !spans[first...].contains { hasEscape($0) }
            && (1..<number).allSatisfy { compare(spans[first + order[$0 - 1]], spans[first + order[$0]]) != 0 }
        if isUnique { return JSONObject(sortedKeys: names.take(inOrder: order), values: values.take(inOrder: order)) }
        // Names with escapes are compared as they are written here, so equal ones may have been missed.
        let keys = names.take(number)
        let object = JSONObject(pairs: zip(keys, values.take(number)).map { ($0, $1) })
        if object.count < number { noteDuplicates(keys) }
        return object
    }

    /// Puts the places of `number` members from `first` on into `order`, sorted by name; equal ones stay as they came.
    private mutating func sortOrder(_ number: Int, from first: Int) {
        order.removeAll(keepingCapacity: true)
        guard number <= 24 else {
            order.append(contentsOf: 0..<number)
            let spans = spans
            let sorted = order.sorted { left, right in
                let comparison = compare(spans[first + left], spans[first + right])
                return comparison == 0 ? left < right : comparison < 0
            }
            order = sorted
            return
        }
        for place in 0..<number {
            var target = order.count
            while target > 0, compare(spans[first + order[target - 1]], spans[first + place]) > 0 { target -= 1 }
            order.insert(place, at: target)
        }
    }

    private mutating func noteDuplicates(_ keys: [String]) {
        guard var known = duplicates, known.count < Self.maximumDuplicates else { return }
        var seen: Set<[UInt8]> = []
        var noted: Set<[UInt8]> = []
        for key in keys where !seen.insert(Array(key.utf8)).inserted && noted.insert(Array(key.utf8)).inserted {
            known.append(text(of: path, and: key))
            if known.count == Self.maximumDuplicates { break }
        }
        duplicates = known
    }

    /// `spec.containers[0].name`, with long names cut.
    private func text(of path: [Step], and name: String) -> String {
        var text = ""
        for step in path {
            if step.length < 0 {
                text += "[\(step.start)]"
            } else {
                // Longer than a step can be.
                let count = min(step.length, 512)
                let start = unsafe UnsafeBufferPointer(start: bytes + step.start, count: count)
                let key = unsafe String(decoding: start, as: UTF8.self).asPathStep
                text += text.isEmpty ? key : ".\(key)"
            }
        }
        return text.isEmpty ? name.asPathStep : "\(text).\(name.asPathStep)"
    }

    // MARK: Names

    private func compare(_ left: Step, _ right: Step) -> Int {
        let common = min(left.length, right.length)
        var index = 0
        while index < common {
            let (one, other) = unsafe (bytes[left.start + index], bytes[right.start + index])
            if one != other { return one < other ? -1 : 1 }
            index += 1
        }
        return left.length - right.length
    }

    private func hasEscape(_ step: Step) -> Bool {
        for index in step.start..<(step.start + step.length) where unsafe bytes[index] == UInt8(ascii: "\\") {
            return true
        }
        return false
    }

    private func isText(_ step: Step, _ text: [UInt8]) -> Bool {
        guard step.length == text.count else { return false }
        for index in 0..<step.length where unsafe bytes[step.start + index] != text[index] { return false }
        return true
    }

    /// The rules for a member, and whether it isn't kept at all.
    private func childNode(of node: Int, _ step: Step) -> (Int?, Bool) {
        for child in nodes[node].children where isText(step, nodes[child].name) {
            return (child, nodes[child].isDropped)
        }
        return (nil, nodes[node].dropsOthers)
    }
}
