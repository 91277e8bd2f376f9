// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import Synchronization

/// Passes requests on, and lets somebody else act just before the first PATCH.
final class MeddlingExchange: HTTPExchange {
    private let inner: any HTTPExchange
    private let meddle: @Sendable () async throws -> Void
    private let isDone = Mutex(false)

    init(inner: any HTTPExchange, meddle: @escaping @Sendable () async throws -> Void) {
        self.inner = inner
        self.meddle = meddle
    }

    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        if request.head.method == .patch,
            isDone.withLock({ done in
                defer { done = true }
                return !done
            })
        {
            try await meddle()
        }
        return try await inner.exchange(request)
    }
}
