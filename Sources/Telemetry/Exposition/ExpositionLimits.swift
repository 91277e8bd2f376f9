// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Bounds on a metrics page; a page beyond them is refused, not cut.
public struct ExpositionLimits: Sendable, Hashable {
    /// The largest page in bytes, at most 2 GiB (a vLLM server with all its histograms has about 60 kB).
    public var bytes: Int
    /// The longest line in bytes (a line is held while its end hasn't arrived).
    public var lineBytes: Int
    /// The most samples that are kept.
    public var samples: Int
    /// The most labels of one sample.
    public var labels: Int

    /// Limits with room for the largest pages that were seen, times ten.
    public init(bytes: Int = 8 << 20, lineBytes: Int = 256 << 10, samples: Int = 100_000, labels: Int = 64) {
        self.bytes = min(max(0, bytes), 1 << 31)
        self.lineBytes = max(0, lineBytes)
        self.samples = max(0, samples)
        self.labels = max(0, labels)
    }
}
