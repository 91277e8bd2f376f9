// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What a metrics page can tell of a replica.
public enum SignalKind: String, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// Requests that wait.
    case queueLength = "queue length"
    /// Requests that were accepted and not yet answered.
    case inFlight = "requests in flight"
    /// How full the key-value cache of a language model is, 0 to 1.
    case cacheUsage = "cache usage"
    /// Requests a second.
    case requestRate = "request rate"
    /// Errors a second.
    case errorRate = "error rate"
    /// How long requests take.
    case latency = "latency"
    /// Seconds of CPU time a second.
    case cpu = "CPU usage"

    /// The signal in words.
    public var description: String { rawValue }
}

/// A signal's value, or why there is none. A missing value is not zero.
public enum SignalValue<Value: Sendable & Hashable>: Sendable, Hashable {
    /// The value.
    case value(Value)
    /// Why there is none.
    case missing(MissingSignal)

    /// The value; `nil` when it is missing.
    public var value: Value? { if case .value(let value) = self { value } else { nil } }

    /// Why there is no value; `nil` when there is one.
    public var missing: MissingSignal? { if case .missing(let missing) = self { missing } else { nil } }

    /// The value after `change`.
    func map<Other>(_ change: (Value) -> Other) -> SignalValue<Other> {
        switch self {
        case .value(let value): .value(change(value))
        case .missing(let missing): .missing(missing)
        }
    }
}
