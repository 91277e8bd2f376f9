// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A function from an HTTP request to its response.
///
/// A client transport and a server are the same function: libcurl, the embedded API server and a fault injector are
/// interchangeable.
public protocol HTTPExchange: Sendable {
    /// Answers `request`. A client throws when no response arrived; a server answers with a status instead.
    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage
}

/// An exchange made of a closure.
public struct ClosureExchange: HTTPExchange {
    private let body: @Sendable (HTTPRequestMessage) async throws -> HTTPResponseMessage

    /// Wraps `body`.
    public init(_ body: @escaping @Sendable (HTTPRequestMessage) async throws -> HTTPResponseMessage) {
        self.body = body
    }

    /// Calls the closure.
    public func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        try await body(request)
    }
}
