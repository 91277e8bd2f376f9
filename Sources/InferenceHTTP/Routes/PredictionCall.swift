// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import HTTPMessages
internal import Inference

/// One request for a prediction, read from a protocol, and how its answer is written.
protocol PredictionCall: Sendable {
    /// What to run.
    var request: InferenceRequest { get }
    /// The time limit that the client asks for.
    var timeout: Duration? { get }
    /// Writes the answer.
    /// - Throws: `InferenceError` where the outputs can't be written in the protocol's form.
    func response(_ outputs: [NamedTensor]) throws(InferenceError) -> HTTPResponseMessage
}
