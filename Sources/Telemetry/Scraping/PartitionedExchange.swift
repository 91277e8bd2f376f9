// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPMessages
import HTTPTypes

/// Divides requests over several exchanges, all of one host and port over the same one.
///
/// libcurl walks all its open connections at the end of each transfer, so thousands of pods cost less over a few clients
/// with some hundred connections each than over one.
public struct PartitionedExchange: HTTPExchange {
    /// How many parts scrape well: with 10,000 pods a scrape costs half as much as over one and as much as over 24, and with
    /// 1,000 pods nothing changes.
    public static let usualParts = 8

    private let parts: [any HTTPExchange]

    /// An exchange over `count` parts, at least one, each of which `make` makes.
    public init(parts count: Int = usualParts, make: () -> any HTTPExchange) {
        parts = (0..<max(1, count)).map { _ in make() }
    }

    /// Sends `request` over the part that its host and port belong to.
    public func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        // FNV-1a: the same in every run, unlike Hasher.
        let hash = (request.head.authority ?? "").utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { hash, byte in
            (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        return try await parts[Int((hash >> 32) % UInt64(parts.count))].exchange(request)
    }
}
