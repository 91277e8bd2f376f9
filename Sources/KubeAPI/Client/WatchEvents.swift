// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import HTTPMessages
internal import HTTPTypes
public import KubeModel

/// The events of one watch, until the server ends it. May be read once; dropping the iterator ends the watch.
public struct WatchEvents: AsyncSequence, Sendable {
    /// One event.
    public typealias Element = WatchEvent

    private let body: StreamingBody
    private let request: KubeRequest
    private let address: String
    private let maximumLineBytes: Int
    private let projection: JSONProjection

    init(
        body: StreamingBody,
        request: KubeRequest,
        address: String,
        maximumLineBytes: Int,
        projection: JSONProjection
    ) {
        self.body = body
        self.request = request
        self.address = address
        self.maximumLineBytes = maximumLineBytes
        self.projection = projection
    }

    /// Starts reading.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(
            body: body.makeAsyncIterator(),
            decoder: WatchLineDecoder(maximumLineBytes: maximumLineBytes, projection: projection),
            request: request,
            address: address
        )
    }

    /// Reads the events of one watch.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var body: StreamingBody.AsyncIterator
        fileprivate var decoder: WatchLineDecoder
        fileprivate let request: KubeRequest
        fileprivate let address: String
        fileprivate var isFinished = false

        fileprivate init(
            body: StreamingBody.AsyncIterator,
            decoder: WatchLineDecoder,
            request: KubeRequest,
            address: String
        ) {
            self.body = body
            self.decoder = decoder
            self.request = request
            self.address = address
        }

        /// The next event; `nil` when the server ended the watch.
        /// - Throws: `KubeError` when the stream breaks or can't be read. Error events are elements, not thrown.
        public mutating func next() async throws -> WatchEvent? {
            while true {
                if isFinished { return nil }
                do {
                    if let event = try decoder.next() { return event }
                    if let chunk = try await body.next() {
                        decoder.feed(chunk)
                    } else {
                        isFinished = true
                        return decoder.finish()
                    }
                } catch let failure as WatchLineDecoder.Failure {
                    isFinished = true
                    throw KubeError(.unreadable, request, "\(failure), from \(address)", cause: failure)
                } catch {
                    isFinished = true
                    if error is CancellationError || Task.isCancelled {
                        throw KubeError(.cancelled, request, "the watch was cancelled", cause: error)
                    }
                    throw KubeError(.connection, request, "the watch of \(address) broke: \(error)", cause: error)
                }
            }
        }
    }
}

extension KubeClient {
    /// Watches a collection; in all namespaces where `namespace` is `nil`.
    ///
    /// The call has the client's deadline until the response begins; the stream has only `options.idleTimeout`. What
    /// `projection` drops of the objects isn't kept.
    public func watch(
        _ type: ResourceType,
        namespace: String? = nil,
        options: WatchOptions = WatchOptions(),
        projection: JSONProjection = .everything
    ) async throws(KubeError) -> WatchEvents {
        let request = KubeRequest.watch(type, namespace: namespace, options: options)
        try await prepare(for: request)
        let message = try message(request, timeout: nil, idleTimeout: options.idleTimeout)
        let response = try await withinDeadline(request) {
            try await exchange(message, for: request)
        }
        guard response.head.status.code < 400 else {
            let bytes = (try? await response.body.collect(upTo: 1 << 20)) ?? []
            throw Self.refusal(response, bytes, request)
        }
        return WatchEvents(
            body: response.body,
            request: request,
            address: baseURL,
            maximumLineBytes: maximumResponseBytes,
            projection: projection
        )
    }
}
