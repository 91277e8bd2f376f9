// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import CurlHTTP

@Suite("How long the loop waits for readers that are behind")
struct ReaderPaceTests {
    private let start = WallTime(nanoseconds: 1_000_000_000)

    /// The unread bytes at each millisecond, until the loop goes on.
    private func milliseconds(_ unread: (Int) -> [Int]) -> Int {
        var pace = ReaderPace(now: start)
        var passed = 0
        while passed < 10_000, pace.waits(for: unread(passed), now: start + .milliseconds(passed)) { passed += 1 }
        return passed
    }

    @Test("a reader is waited for until it has read half")
    func reads() {
        #expect(milliseconds { [1000 - $0 * 10] } == 50)
        #expect(milliseconds { [1000 - $0 * 10, 3000 - $0 * 40] } == 40)
    }

    @Test("a reader that stands still is waited for only a moment, also after having read")
    func standsStill() {
        #expect(milliseconds { _ in [1000] } == 200)
        #expect(milliseconds { [1000 - min($0, 30)] } == 230)
    }

    @Test("a reader that reads very slowly is waited for two seconds")
    func slow() { #expect(milliseconds { [1_000_000 - $0] } == 2000) }

    @Test("nobody behind, or one that has read all, is no reason to wait")
    func nobody() {
        #expect(milliseconds { _ in [] } == 0)
        #expect(milliseconds { _ in [0] } == 0)
    }
}
