// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@Suite("IPv4 addresses")
struct IPv4AddressTests {
    @Test("are read and written", arguments: [("0.0.0.0", 0), ("127.0.0.1", 0x7f00_0001), ("255.255.255.255", .max)])
    func roundTrip(text: String, number: UInt32) {
        #expect(IPv4Address(text)?.number == number)
        #expect(IPv4Address(number: number).description == text)
    }

    @Test(
        "are nothing else: no sign, no leading zero, no other digits, four parts",
        arguments: [
            "", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1.2.3.256", "+1.2.3.4", "1.2.3.-0", "1.2.3.04", "1.2.3.٤",
            "1.2.3.4 ",
            "1..2.3", "a.b.c.d",
        ]
    )
    func malformed(text: String) {
        #expect(IPv4Address(text) == nil)
        let schema = try? StructuralSchema(parsing: ["type": "string", "format": "ipv4"])
        #expect(schema?.violations(in: .string(text)).isEmpty == false)
    }
}
