// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// A patch that can't be applied.
public struct PatchError: Error, Sendable, CustomStringConvertible {
    /// The answer of the API server.
    public var status: APIStatus
    /// What exactly is wrong, which the API server's answer doesn't always say.
    public var detail: String

    /// Both.
    public var description: String { detail.isEmpty ? status.message : detail }

    /// The patch itself isn't one.
    static func malformed(_ message: String) -> PatchError {
        PatchError(status: APIStatus(code: 400, reason: "BadRequest", message: message), detail: message)
    }

    /// The patch isn't understood; the API server takes that for a failure of its own.
    static func failed(_ message: String) -> PatchError {
        PatchError(status: APIStatus(code: 500, reason: "", message: message), detail: message)
    }

    /// The patch asks for too much.
    static func tooLarge(_ message: String) -> PatchError {
        PatchError(
            status: APIStatus(
                code: 413,
                reason: "RequestEntityTooLarge",
                message: "Request entity too large: \(message)"
            ),
            detail: message
        )
    }

    /// The patch doesn't fit the object.
    static func unprocessable(_ detail: String) -> PatchError {
        PatchError(
            status: APIStatus(
                code: 422,
                reason: "Invalid",
                message: "the server rejected our request due to an error in our request"
            ),
            detail: detail
        )
    }
}
