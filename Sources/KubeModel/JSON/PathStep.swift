// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension String {
    /// The longest step of a path in bytes.
    private static let longestStep = 256

    /// The name as a step of a field's path in messages: cut where it is longer than 256 bytes.
    ///
    /// A name stands in the path of every field below it, so a long one would make many paths long.
    public var asPathStep: String {
        guard utf8.count > Self.longestStep else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: Self.longestStep - 3)
        while end > utf8.startIndex, utf8[end] & 0xc0 == 0x80 { end = utf8.index(before: end) }
        return self[..<end] + "…"
    }
}
