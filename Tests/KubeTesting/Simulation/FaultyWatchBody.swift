// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages

/// The stream of a watch as it comes out of a link: late, torn, doubled or silent, but never out of order.
struct FaultyWatchBody: AsyncSequence, Sendable {
    typealias Element = [UInt8]

    let base: StreamingBody
    let link: SimLink

    func makeAsyncIterator() -> Iterator { Iterator(base: base.makeAsyncIterator(), link: link) }

    struct Iterator: AsyncIteratorProtocol {
        private var base: StreamingBody.AsyncIterator?
        private let link: SimLink
        private var lag = Duration.zero
        private var isBroken = false

        init(base: StreamingBody.AsyncIterator, link: SimLink) {
            self.base = base
            self.link = link
        }

        mutating func next() async throws -> [UInt8]? {
            if isBroken { throw SimLink.ConnectionBroken(description: "connection reset by peer") }
            guard let chunk = try await base?.next() else {
                base = nil
                return nil
            }
            if chunk.starts(with: Self.error) { link.noteExpired() }
            if !link.isUp { try await waitForLink() }
            if lag > .zero { try await link.sleep(for: lag) }
            switch link.drawWatchFault() {
            case .watchCut: return try breakOff()
            case .watchTorn:
                isBroken = true
                base = nil
                let half = Int(Double(chunk.count) * link.unit())
                if half == 0 { throw SimLink.ConnectionBroken(description: "connection reset by peer") }
                return Array(chunk.prefix(half))
            case .watchStalled:
                // Longer than any stall detector waits; the reader's task is cancelled by it.
                try await link.sleep(for: .seconds(3600))
                return try breakOff()
            case .watchDelayed:
                lag = .seconds(20 * link.unit())
                try await link.sleep(for: lag)
            case .watchDuplicated: return chunk + Self.lastLine(chunk)
            case .watchExpired:
                base = nil
                return Self.expired
            default: break
            }
            return chunk
        }

        private mutating func breakOff() throws -> [UInt8]? {
            isBroken = true
            base = nil
            throw SimLink.ConnectionBroken(description: "connection reset by peer")
        }

        /// A link that was down delivers what waited, or turns out to be broken.
        private mutating func waitForLink() async throws {
            while !link.isUp { try await link.sleep(for: .seconds(1)) }
            if link.unit() < 0.5 { _ = try breakOff() }
        }

        private static func lastLine(_ chunk: [UInt8]) -> [UInt8] {
            let newline = UInt8(ascii: "\n")
            let start = chunk.dropLast().lastIndex(of: newline).map { $0 + 1 } ?? 0
            return Array(chunk[start...])
        }

        private static let error = Array(#"{"type":"ERROR""#.utf8)

        private static let expired = Array(
            (#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#
                + #""message":"too old resource version","reason":"Expired","code":410}}"# + "\n").utf8
        )
    }
}
