// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The names of families on a page, for saying what it has instead of what was looked for.
///
/// They stay bytes until somebody asks: nearly every page lacks something that is looked for, and hardly ever is that told.
public struct OfferedNames: Sendable, Hashable {
    /// The most names of a page.
    static let limit = 1000

    /// The names, each with a line feed behind it.
    private var bytes: [UInt8] = []
    private var count = 0

    /// Adds a name, up to the limit.
    mutating func append(_ name: ArraySlice<UInt8>) {
        guard count < Self.limit else { return }
        count += 1
        bytes.append(contentsOf: name)
        bytes.append(ExpositionBytes.lineFeed)
    }

    /// The distinct names, in the page's order.
    public var names: [String] {
        var seen: Set<String> = []
        return bytes.split(separator: ExpositionBytes.lineFeed).map { String(decoding: $0, as: UTF8.self) }
            .filter { seen.insert($0).inserted }
    }
}

extension OfferedNames: ExpressibleByArrayLiteral {
    /// These names.
    public init(arrayLiteral names: String...) { for name in names { append(Array(name.utf8)[...]) } }
}
