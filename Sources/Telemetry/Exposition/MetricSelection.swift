// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Which samples of a page are kept, by their names.
///
/// Most lines of a page are not wanted, so the test is made for saying no: a bit for each length of a wanted name, then the
/// last byte, then the bytes of the few names of that length. It allocates nothing.
public struct MetricSelection: Sendable, Hashable {
    /// Whether every sample is kept.
    public let isEverything: Bool
    /// The names that are kept, one behind the other, by length and last byte.
    private let names: [UInt8]
    /// Where each name is in `names`.
    private let ranges: [Range<Int>]
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
        let sorted = names.sorted { left, right in
            let (first, second) = ((left.count, left.last ?? 0), (right.count, right.last ?? 0))
            return first == second ? left.lexicographicallyPrecedes(right) : first < second
        }
        self.names = Array(sorted.joined())
        var end = 0
        ranges = sorted.map { name in
            defer { end += name.count }
            return end..<end + name.count
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
        let names = names.span
        let count = end - start
        for range in ranges where range.count == count && names[range.upperBound - 1] == bytes[end - 1] {
            if ByteScan.isSame(names, range.lowerBound, bytes, start, count: count) { return true }
        }
        return false
    }

    /// Whether `name` is kept.
    public func contains(_ name: String) -> Bool {
        isEverything || ranges.contains { names[$0].elementsEqual(name.utf8) }
    }
}
