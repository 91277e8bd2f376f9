// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import ExtensionServer

@Suite("A cache with an end")
struct ExpiringCacheTests {
    private static let start = WallTime(seconds: 1000)

    @Test("a value is known until its end, and a newer one replaces it")
    func expires() {
        var cache = ExpiringCache<String, Int>(capacity: 4)
        cache.keep(1, for: "a", until: Self.start + .seconds(10))
        #expect(cache.value("a", now: Self.start + .seconds(9)) == 1)
        #expect(cache.value("a", now: Self.start + .seconds(10)) == nil)
        cache.keep(2, for: "a", until: Self.start + .seconds(20))
        #expect(cache.value("a", now: Self.start + .seconds(10)) == 2)
    }

    @Test("it never holds more than its share: the oldest goes, also when one key is written again and again")
    func bounded() {
        var cache = ExpiringCache<Int, Int>(capacity: 10)
        for number in 0..<1000 {
            cache.keep(number, for: number, until: Self.start + .seconds(10))
            cache.keep(number, for: -1, until: Self.start + .seconds(10))
            #expect(cache.count <= 10)
        }
        #expect(cache.value(999, now: Self.start) == 999)
        #expect(cache.value(-1, now: Self.start) == 999)
        #expect(cache.value(900, now: Self.start) == nil)
    }
}
