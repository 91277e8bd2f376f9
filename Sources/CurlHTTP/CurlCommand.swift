// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What the callers ask of the loop's thread.
enum CurlCommand: Sendable {
    /// Begin a transfer and feed `feed`.
    case start(TransferRequest, ResponseFeed)
    /// End a transfer; one that is unknown or done is left alone.
    case cancel(UInt64)
    /// The reader has made room: let a paused transfer go on.
    case resume(UInt64)
}
