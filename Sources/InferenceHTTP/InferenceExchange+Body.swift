// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
internal import HTTPMessages
internal import HTTPTypes
internal import Inference

/// The client took too long to send its request.
struct BodyTooSlow: Error {}

/// The body is in a form that isn't read.
struct BodyEncoded: Error {
    /// What the client calls the form.
    var encoding: String
}

extension InferenceExchange {
    /// Reads a request's body.
    /// - Throws: `BodyTooLarge`, before any of it is read where its length is known; `BodyEncoded`; `BodyTooSlow` at
    ///   `deadline`; `BudgetSpent`; what the body throws.
    func body(
        of request: HTTPRequestMessage,
        until deadline: WallTime,
        lease: BodyBudget.Lease
    ) async throws -> [UInt8] {
        let fields = request.head.headerFields
        if let encoding = fields[.contentEncoding], encoding.lowercased() != "identity" {
            throw BodyEncoded(encoding: encoding)
        }
        if let length = fields[.contentLength].flatMap({ Int($0) }), length > limits.bodyBytes {
            throw BodyTooLarge(limit: limits.bodyBytes)
        }
        if let whole = request.body.wholeBytes {
            guard whole.count <= limits.bodyBytes else { throw BodyTooLarge(limit: limits.bodyBytes) }
            try lease.take(whole.count)
            return whole
        }
        return try await withThrowingTaskGroup(of: [UInt8].self) { group in
            defer { group.cancelAll() }
            group.addTask { try await self.collect(request.body, lease) }
            group.addTask {
                try await self.time.sleep(for: deadline - self.time.now())
                throw BodyTooSlow()
            }
            return try await group.next() ?? []
        }
    }

    private func collect(_ body: StreamingBody, _ lease: BodyBudget.Lease) async throws -> [UInt8] {
        var all: [UInt8] = []
        for try await chunk in body {
            guard all.count + chunk.count <= limits.bodyBytes else { throw BodyTooLarge(limit: limits.bodyBytes) }
            try lease.take(chunk.count)
            all += chunk
        }
        // A body whose reader is cancelled ends early.
        try Task.checkCancellation()
        return all
    }
}
