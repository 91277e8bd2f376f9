// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Which samples of a page are kept, by their names.
///
/// Most lines of a page are not wanted, so the test is made for saying no: a bit for each length of a wanted name, then the
/// last byte, then the bytes of the few names of that length. It allocates nothing.
public struct MetricSelection: Sendable, Hashable {
    /// Whether every sample is kept.
    public let isEverything: Bool
    /// The names that are kept, sorted by length.
    private let names: [[UInt8]]
    /// Bit n: there is a name of n bytes (63 for all longer ones).
    private let lengths: UInt64

    /// All samples, and the metadata of all families.
    public static let everything = MetricSelection(names: [], isEverything: true)

    /// The samples and the families with these names. A histogram's parts are named one by one: `x_bucket`, `x_count`.
    public init(names: some Sequence<String>) {
        self.init(names: Set(names).map { Array($0.utf8) }, isEverything: false)
    }

    private init(names: [[UInt8]], isEverything: Bool) {
        self.isEverything = isEverything
        // The whole name decides in the end: selections of the same names are equal, whatever order they came in.
        self.names = names.sorted { left, right in
            let (first, second) = ((left.count, left.last ?? 0), (right.count, right.last ?? 0))
            return first == second ? left.lexicographicallyPrecedes(right) : first < second
        }
        lengths = names.reduce(0) { $0 | 1 << UInt64(min($1.count, 63)) }
    }

    /// Whether the name at `start..<end` is kept.
    func contains(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        if isEverything { return true }
        let count = end - start
        guard lengths & 1 << UInt64(min(count, 63)) != 0, count > 0 else { return false }
        return isListed(bytes, start, end)
    }

    private func isListed(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        let last = bytes[end - 1]
        candidates: for name in names where name.count == end - start && name[name.count - 1] == last {
            for index in name.indices where name[index] != bytes[start + index] { continue candidates }
            return true
        }
        return false
    }

    /// Whether `name` is kept.
    public func contains(_ name: String) -> Bool { isEverything || names.contains { $0.elementsEqual(name.utf8) } }
}
