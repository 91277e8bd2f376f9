// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

struct ConformanceTests {
    @Test(
        "the YAML test suite is read as it says, but for the listed deviations",
        .enabled(if: ConformanceCase.arePresent, "skipped: the YAML test suite isn't beside the project")
    )
    func suite() throws {
        let cases = try ConformanceCase.all()
        #expect(cases.count > 350)
        var found: [String: String] = [:]
        for record in cases {
            if let difference = record.difference { found[record.id] = difference.rawValue }
        }
        var listed: [String: String] = [:]
        for deviation in ConformanceDeviation.all {
            for id in deviation.ids.split(separator: " ") {
                #expect(
                    listed.updateValue(deviation.difference.rawValue, forKey: String(id)) == nil,
                    "\(id) is listed twice"
                )
            }
        }
        for (id, difference) in found.sorted(by: { $0.key < $1.key }) where listed[id] != difference {
            Issue.record("\(id) differs (\(difference)) and isn't listed: \(cases.first { $0.id == id }?.name ?? "")")
        }
        for (id, difference) in listed.sorted(by: { $0.key < $1.key }) where found[id] != difference {
            Issue.record("\(id) is listed (\(difference)) but doesn't differ so: take it off the list")
        }
    }
}
