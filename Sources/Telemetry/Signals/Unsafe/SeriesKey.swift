// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What tells a series of a metric from others: its labels, or a category of outputs.
struct SeriesKey: Sendable, Hashable {
    /// The labels as `MetricsPage.labelKey` writes them, or the category's text.
    let bytes: [UInt8]

    /// A key of these bytes.
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Hashes all bytes at once: an array hashes one after the other, which took longer than all else with a key.
    func hash(into hasher: inout Hasher) {
        // SAFETY: the bytes are only read, and only within the call.
        unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
        hasher.combine(bytes.count)
    }
}
