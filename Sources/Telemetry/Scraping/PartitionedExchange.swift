// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPMessages
import HTTPTypes

/// Divides requests over several exchanges, all of one host and port over the same one.
///
/// libcurl walks all its open connections at the end of each transfer, so thousands of pods cost less over a few clients
/// with some hundred connections each than over one.
public struct PartitionedExchange: HTTPExchange {
    private let parts: [any HTTPExchange]

    /// An exchange over `parts`, of which there must be at least one.
    public init?(_ parts: [any HTTPExchange]) {
        guard !parts.isEmpty else { return nil }
        self.parts = parts
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
