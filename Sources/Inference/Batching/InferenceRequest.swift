// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// Inputs for one run, and which outputs are wanted.
public struct InferenceRequest: Sendable {
    /// The inputs, in any order.
    public var inputs: [NamedTensor]
    /// The wanted outputs; empty for all.
    public var outputs: [String]
    /// When the answer is no longer of use; `nil` for never.
    public var deadline: WallTime?

    /// A request.
    public init(inputs: [NamedTensor], outputs: [String] = [], deadline: WallTime? = nil) {
        self.inputs = inputs
        self.outputs = outputs
        self.deadline = deadline
    }
}

/// Hears what the engine does; called by the engine's threads, so it must be quick.
public protocol InferenceObserver: Sendable {
    /// A batch of `requests` requests and `rows` rows was run in `duration`.
    func batchEnded(requests: Int, rows: Int, duration: Duration)
}
