// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import CurlHTTP

@Suite("which transfers share an HTTP/2 connection")
struct StreamGateTests {
    /// Lets everything begin that may.
    private func begin(_ gate: inout StreamGate) -> [UInt64] {
        var begun: [UInt64] = []
        while let id = gate.next() { begun.append(id) }
        return begun
    }

    /// A gate with so many transfers running, numbered from 1.
    private func gate(requests: Int, streams: Int) -> StreamGate {
        var gate = StreamGate()
        for id in 1...(requests + streams) { gate.arrived(UInt64(id), id <= requests ? .request : .stream) }
        _ = begin(&gate)
        return gate
    }

    @Test("all begin at once while the connection has room, requests before streams, each in their order")
    func room() {
        var gate = StreamGate()
        gate.arrived(1, .stream)
        gate.arrived(2, .request)
        gate.arrived(3, .request)
        #expect(begin(&gate) == [2, 3, 1])
        #expect(!gate.isEmpty)
        for id in [1, 2, 3] as [UInt64] { gate.ended(id) }
        #expect(gate.isEmpty)
    }

    @Test("requests beyond a full connection wait for one that ends")
    func fullOfRequests() {
        var gate = gate(requests: 100, streams: 0)
        gate.arrived(101, .request)
        gate.arrived(102, .request)
        #expect(begin(&gate) == [])
        gate.ended(7)
        #expect(begin(&gate) == [101])
        gate.ended(102)
        gate.ended(8)
        #expect(begin(&gate) == [])
    }

    @Test("a stream beyond a full connection opens another one, one at a time")
    func fullStreams() {
        var gate = gate(requests: 50, streams: 50)
        for id in 101...103 as ClosedRange<UInt64> { gate.arrived(id, .stream) }
        #expect(begin(&gate) == [101])
        #expect(begin(&gate) == [])
        gate.begun(101)
        #expect(begin(&gate) == [102, 103])
    }

    @Test("a request beyond a connection full of streams opens another one; when that fails the next one tries")
    func fullOfStreams() {
        var gate = gate(requests: 0, streams: 100)
        gate.arrived(101, .request)
        gate.arrived(102, .request)
        #expect(begin(&gate) == [101])
        gate.ended(101)
        #expect(begin(&gate) == [102])
        gate.begun(102)
        gate.arrived(103, .request)
        #expect(begin(&gate) == [103])
    }

    @Test("a connection that isn't needed any more isn't counted on")
    func shrinks() {
        var gate = gate(requests: 0, streams: 100)
        gate.arrived(101, .stream)
        #expect(begin(&gate) == [101])
        gate.begun(101)
        gate.ended(1)
        gate.ended(2)
        for id in 102...104 as ClosedRange<UInt64> { gate.arrived(id, .stream) }
        #expect(begin(&gate) == [102, 103])
        gate.begun(103)
        #expect(begin(&gate) == [104])
    }
}
