// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Why a model couldn't be loaded or a request couldn't be answered.
public struct InferenceError: Error, Hashable, CustomStringConvertible {
    /// What kind of failure; each front door has its own status for it.
    public enum Code: String, Sendable, Hashable {
        /// The request doesn't fit the model; repeating it won't help.
        case invalidInput
        /// There is no such model or version here.
        case unknownModel
        /// The queue is full; try again soon, or another replica.
        case queueFull
        /// The answer took longer than the request allows.
        case deadlineExceeded
        /// The model is loading, draining or has failed.
        case unavailable
        /// The model file can't be had or read, or the runtime is missing.
        case loadFailed
        /// The model failed while it ran.
        case runFailed
    }

    /// What kind of failure.
    public var code: Code
    /// One line: the thing, the reason, the next step.
    public var message: String

    /// An error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
