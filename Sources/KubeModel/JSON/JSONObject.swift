// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The members of a JSON object, kept sorted by name (in the order of their UTF-8 bytes).
///
/// Sorted arrays need less memory than a hash table, make equality independent of the order of insertion, and give
/// every run the same order. Looking up is O(log n), changing one member O(n); build large objects with `init(pairs:)`.
public struct JSONObject: Sendable, Hashable {
    /// The names, sorted.
    public private(set) var keys: [String] = []
    /// The values, in the order of `keys`.
    public private(set) var values: [JSONValue] = []

    /// An object without a member.
    public init() {}

    /// An object of `pairs`; of two members with one name the later wins. O(n log n).
    public init(pairs: some Sequence<(String, JSONValue)>) {
        var sorted = Array(pairs)
        if !Self.isSorted(sorted) {
            if sorted.count <= 16 {
                // Such as literals in the code: putting them in one by one is quicker than sorting with positions.
                for (key, value) in sorted { self[key] = value }
                return
            }
            sorted = sorted.enumerated()
                .sorted {
                    Self.isSame($0.element.0, $1.element.0)
                        ? $0.offset < $1.offset : Self.precedes($0.element.0, $1.element.0)
                }
                .map(\.element)
        }
        keys.reserveCapacity(sorted.count)
        values.reserveCapacity(sorted.count)
        for (key, value) in sorted {
            if let last = keys.last, Self.isSame(last, key) {
                values[values.count - 1] = value
            } else {
                keys.append(key)
                values.append(value)
            }
        }
    }

    /// An object of names with their values, by position; quicker than `init(pairs:)` where the names are sorted already.
    public init(keys: [String], values: [JSONValue]) {
        if keys.count == values.count, keys.indices.dropFirst().allSatisfy({ Self.precedes(keys[$0 - 1], keys[$0]) }) {
            self.init()
            self.keys = keys
            self.values = values
        } else {
            self.init(pairs: zip(keys, values))
        }
    }

    /// An object of members that are sorted and unique already.
    init(sortedKeys: [String], values: [JSONValue]) {
        keys = sortedKeys
        self.values = values
    }

    /// The number of members.
    public var count: Int { keys.count }

    /// Whether there is no member.
    public var isEmpty: Bool { keys.isEmpty }

    /// The member `key`; setting `nil` removes it.
    public subscript(key: String) -> JSONValue? {
        get {
            let (index, isPresent) = position(of: key)
            return isPresent ? values[index] : nil
        }
        set {
            let (index, isPresent) = position(of: key)
            switch (isPresent, newValue) {
            case (true, .some(let value)): values[index] = value
            case (true, .none):
                keys.remove(at: index)
                values.remove(at: index)
            case (false, .some(let value)):
                keys.insert(key, at: index)
                values.insert(value, at: index)
            case (false, .none): break
            }
        }
    }

    /// Whether both have the same names, as bytes, with the same values.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.keys.elementsEqual(right.keys, by: isSame) && left.values == right.values
    }

    /// Notes the names as bytes, as `==` compares them.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(count)
        for key in keys { ByteOrder.hash(key, into: &hasher) }
        for value in values { value.hash(into: &hasher) }
    }

    /// The members of both; what becomes of a name that `other` has `combine` decides, `nil` leaves it out. O(n + m).
    public func merging<Failure: Error>(
        _ other: JSONObject,
        _ combine: (_ name: String, _ own: JSONValue?, _ other: JSONValue) throws(Failure) -> JSONValue?
    ) throws(Failure) -> JSONObject {
        var result = JSONObject()
        result.keys.reserveCapacity(count + other.count)
        result.values.reserveCapacity(count + other.count)
        var next = 0
        func keepOwn(to end: Int) {
            result.keys.append(contentsOf: keys[next..<end])
            result.values.append(contentsOf: values[next..<end])
            next = end
        }
        for (name, value) in other {
            var end = next
            while end < count, Self.precedes(keys[end], name) { end += 1 }
            keepOwn(to: end)
            var own: JSONValue?
            if next < count, Self.isSame(keys[next], name) {
                own = values[next]
                next += 1
            }
            guard let value = try combine(name, own, value) else { continue }
            result.keys.append(name)
            result.values.append(value)
        }
        keepOwn(to: count)
        return result
    }

    /// The members for which `isIncluded` answers true.
    public func filter(_ isIncluded: (String, JSONValue) throws -> Bool) rethrows -> JSONObject {
        var result = JSONObject()
        for (key, value) in self where try isIncluded(key, value) {
            result.keys.append(key)
            result.values.append(value)
        }
        return result
    }

    /// The same names with changed values.
    public func mapValues(_ transform: (JSONValue) throws -> JSONValue) rethrows -> JSONObject {
        var result = self
        result.values = try values.map(transform)
        return result
    }

    /// The first index whose name isn't before `key`, and whether it is the same.
    private func position(of key: String) -> (index: Int, isPresent: Bool) {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            let order = ByteOrder.compare(keys[middle], key)
            if order == 0 { return (middle, true) }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        return (low, false)
    }

    private static func isSorted(_ pairs: [(String, JSONValue)]) -> Bool {
        zip(pairs, pairs.dropFirst()).allSatisfy { precedes($0.0, $1.0) }
    }

    /// Names are compared as bytes: JSON knows no canonical equivalence, Swift's own `<` and `==` do.
    private static func precedes(_ left: String, _ right: String) -> Bool { ByteOrder.compare(left, right) < 0 }

    private static func isSame(_ left: String, _ right: String) -> Bool { ByteOrder.isSame(left, right) }
}

extension JSONObject: Sequence {
    /// The members in the order of their names.
    public func makeIterator() -> some IteratorProtocol<(key: String, value: JSONValue)> {
        zip(keys, values).lazy.map { (key: $0.0, value: $0.1) }.makeIterator()
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// An object of the given members.
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(pairs: elements) }
}
