// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages

/// The HTTP client: an exchange that sends requests over the network with libcurl.
///
/// One thread per exchange drives all its transfers; it starts with the first request and ends with `shutdown()`, or when
/// the last copy of the exchange and the last response body of it are gone. Copies share the thread and the connections.
///
/// - `timeout` of a request counts from the call to the end of the response's body, `idleTimeout` from byte to byte;
///   time in which the body's reader holds the transfer back doesn't count as idle.
/// - `maximumResponseBytes` is kept for requests with a `timeout`; a request without one is a stream without an end.
/// - Redirects are answered as they are, 1xx responses are skipped.
/// - Dropping the body or its iterator, or cancelling the task that waits, ends the transfer.
/// - With `tls.serverName`, the certificate is checked against (and the TLS handshake names) that host while the connection
///   goes to the URL's host, and `Host` stays the URL's.
public struct CurlExchange: HTTPExchange {
    private let owner: LoopOwner

    /// An exchange with its own connections; opens nothing yet.
    public init(configuration: CurlConfiguration = CurlConfiguration(), time: any TimeSource = SystemTime()) {
        owner = LoopOwner(CurlLoop(configuration: configuration, time: time))
    }

    /// Sends `request` and returns when the response's head has arrived.
    /// - Throws: `CurlError`; `CancellationError` when the task is cancelled; what reading the request's body throws.
    public func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        try Task.checkCancellation()
        let loop = owner.loop
        let transfer = try await TransferRequest(request, configuration: loop.configuration, started: loop.time.now())
        let feed = ResponseFeed(
            id: loop.makeID(),
            loop: loop,
            capacity: loop.configuration.responseBufferBytes
        )
        guard loop.start(transfer, feed: feed) else { throw CurlError.shutDown(transfer.address) }
        let arrived = try await feed.head()
        guard let whole = arrived.wholeBody else {
            return HTTPResponseMessage(
                head: arrived.response,
                body: StreamingBody(ResponseBodySequence(feed: feed, owner: owner))
            )
        }
        return HTTPResponseMessage(head: arrived.response, body: StreamingBody(whole))
    }

    /// Ends every transfer with the code `shutdown`, closes the connections and refuses new requests; does not wait.
    public func shutdown() { owner.loop.stop() }
}

/// Ends the loop when nobody can ask it for anything any more.
final class LoopOwner: Sendable {
    /// The loop.
    let loop: CurlLoop

    /// Takes over `loop`.
    init(_ loop: CurlLoop) { self.loop = loop }

    deinit { loop.stop() }
}
