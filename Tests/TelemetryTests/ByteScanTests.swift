// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Telemetry

@Suite("Byte scan")
struct ByteScanTests {
    @Test("a name ends at the first byte that can't be in one, wherever that is")
    func names() {
        for byte in UInt8.min...UInt8.max {
            for place in 0..<20 {
                var bytes = Array("Queue_length:total_9AZaz\n".utf8)
                bytes[place] = byte
                for start in [0, 3, place] {
                    let expected = bytes[start...].firstIndex { !ExpositionBytes.isNameByte($0) }
                    let end = ByteScan.endOfName(bytes.span, from: start)
                    #expect(end == expected, "byte \(byte) at \(place)")
                }
            }
        }
    }

    @Test("a line ends at its first line feed, and is ASCII where no byte before that is another")
    func lines() {
        for byte in UInt8.min...UInt8.max {
            for place in 0..<20 {
                var bytes = Array("text of some length here\n\u{e9}".utf8)
                bytes[place] = byte
                for start in [0, 3, place] {
                    let end = bytes[start...].firstIndex(of: ExpositionBytes.lineFeed) ?? -1
                    let found = ByteScan.lineFeed(bytes.span, from: start)
                    #expect(found.position == end, "byte \(byte) at \(place)")
                    #expect(found.isASCII == bytes[start..<end].allSatisfy { $0 < 0x80 }, "byte \(byte) at \(place)")
                }
            }
        }
    }

    @Test("bytes are the same where each is, and never beyond the end")
    func comparison() {
        let bytes = Array("0123456789abcdef0123456789abcdeX".utf8)
        func isSame(_ first: Int, count: Int) -> Bool { ByteScan.isSame(bytes.span, first, first + 16, count: count) }
        for count in 0..<18 { #expect(isSame(0, count: count) == (count < 16)) }
        for count in 0..<18 { #expect(isSame(3, count: count) == (count < 13)) }
    }
}
