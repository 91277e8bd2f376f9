// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@testable import Controllers

@Suite("Whether a live object holds what would be applied")
struct CoverageTests {
    @Test("quantities are the same however the API server writes them, to the last digit")
    func quantities() {
        let same: [(live: JSONValue, wanted: JSONValue)] = [
            ("36m", 0.036), ("36m", "0.036"), ("500m", 0.5), ("1Gi", "1024Mi"), ("1536Mi", "1.5Gi"), ("2", 2),
            ("107374182400m", "0.1Gi"), ("1k", "1000"), ("2100u", "0.0021"), ("1", "1000m"),
        ]
        for (live, wanted) in same { #expect(Coverage.covers(live, wanted), "\(live.jsonText) \(wanted.jsonText)") }
        // All thousandths, as a tolerance may have them.
        let missed = (1..<1000).filter { milli in
            let live = JSONValue.string(Quantity(milli: Int64(milli)).description)
            return !Coverage.covers(live, .double(Double(milli) / 1000))
        }
        #expect(missed.isEmpty)
    }

    @Test("other amounts, and texts that are none, differ")
    func others() {
        let different: [(live: JSONValue, wanted: JSONValue)] = [
            ("36m", 0.037), ("1Gi", "1G"), ("1e-10", "2e-10"), ("v1", "v2"), ("1", "true"),
            ("20250101123456789012", "20250202123456789012"),
        ]
        for (live, wanted) in different {
            #expect(!Coverage.covers(live, wanted), "\(live.jsonText) \(wanted.jsonText)")
        }
    }
}
