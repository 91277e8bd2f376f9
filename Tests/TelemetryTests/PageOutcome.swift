// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

@testable import Telemetry

/// What came of reading a page in chunks of one size: everything that a reader can see.
struct PageOutcome: Equatable {
    var samples: [String] = []
    var families: [String: MetricsPage.Family] = [:]
    var offered: [String] = []
    var error: ExpositionError?

    /// Reads `bytes` in chunks of the given sizes, over and over.
    init(
        _ bytes: [UInt8],
        format: ExpositionFormat = .prometheusText,
        chunks sizes: [Int],
        selection: MetricSelection = .everything
    ) {
        var parser = ExpositionParser(format: format, selection: selection)
        do throws(ExpositionError) {
            var start = 0
            var turn = 0
            while start < bytes.count {
                let end = min(bytes.count, start + max(1, sizes[turn % sizes.count]))
                try parser.feed(Array(bytes[start..<end]))
                start = end
                turn += 1
            }
            let page = try parser.finish()
            // As text, since a NaN is not equal to itself.
            samples = page.samples.map { "\($0)" }
            families = page.families
            offered = page.offeredNames
        } catch {
            self.error = error
        }
    }

    /// Reads `bytes` in chunks of `chunk` bytes.
    init(_ bytes: [UInt8], format: ExpositionFormat = .prometheusText, chunk: Int) {
        self.init(bytes, format: format, chunks: [max(1, chunk)])
    }
}
