// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// What a caller may do about an error.
///
/// | failure | disposition |
/// | --- | --- |
/// | no connection, time-out, cut stream, cancelled | `retryCall` |
/// | 429 TooManyRequests, 500 InternalError, 502, 503 ServiceUnavailable, 504 Timeout | `retryCall`, after `Retry-After` |
/// | 409 Conflict, 409 AlreadyExists, 410 Gone and Expired | `redoRead` |
/// | 400 BadRequest, 401 Unauthorized, 403 Forbidden, 404 NotFound, 405, 406, 413, 415, 422 Invalid | `terminal` |
/// | an answer that can't be read, a request that can't be sent, no credential | `terminal` |
/// | any other status | `terminal` below 500, `retryCall` from 500 on |
public enum ErrorDisposition: Sendable, Hashable {
    /// The same call may work later; not before `after`, where the server said so.
    case retryCall(after: Duration?)
    /// What was decided rests on an old state: read again and decide again.
    case redoRead
    /// The same call fails again until a person changes something.
    case terminal

    /// The disposition of a status code.
    public static func of(_ status: APIStatus) -> ErrorDisposition {
        switch status.code {
        case 409, 410: .redoRead
        case 429, 500...: .retryCall(after: status.retryAfterSeconds.map { .seconds(max(0, min($0, 3600))) })
        case 0 where status.reason == "Expired" || status.reason == "Gone": .redoRead
        default: .terminal
        }
    }
}

extension KubeError {
    /// What a caller may do about it.
    public var disposition: ErrorDisposition {
        if let status { return .of(status) }
        switch code {
        case .connection, .timedOut, .cancelled, .watchFailed: return .retryCall(after: nil)
        default: return .terminal
        }
    }
}
