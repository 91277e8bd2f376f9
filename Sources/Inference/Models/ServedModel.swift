// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// One model under its name, from loading to draining; what the front doors talk to.
///
/// ```
/// loading ──▶ ready ──▶ draining
///    └──────▶ failed
/// ```
public final class ServedModel: Sendable {
    /// Where the model is in its life.
    public enum Phase: Sendable {
        /// It is being fetched or loaded.
        case loading
        /// It answers.
        case ready
        /// It answers, but new work should go elsewhere.
        case draining
        /// It couldn't be loaded.
        case failed(reason: String)
    }

    private struct State {
        var phase = Phase.loading
        var engine: InferenceEngine?
        var inFlight = 0
    }

    /// The name in URLs.
    public let name: String
    /// The version in URLs.
    public let version: String
    private let state = Mutex(State())

    /// A model that is loading.
    public init(name: String, version: String) {
        self.name = name
        self.version = version
    }

    /// Where the model is in its life.
    public var phase: Phase { state.withLock { $0.phase } }

    /// Whether new work is welcome.
    public var isReady: Bool { if case .ready = phase { true } else { false } }

    /// Whether it is draining.
    public var isDraining: Bool { if case .draining = phase { true } else { false } }

    /// The inputs and outputs, once loaded.
    public var backend: (any ModelBackend)? { state.withLock { $0.engine?.backend } }

    /// The number of requests that wait for a thread.
    public var queueLength: Int { state.withLock { $0.engine }?.queueLength ?? 0 }

    /// The number of requests that were taken in and aren't answered yet.
    public var inFlight: Int { state.withLock { $0.inFlight } }

    /// The model is loaded and `engine` answers for it. No effect once draining.
    public func loaded(_ engine: InferenceEngine) {
        state.withLock { state in
            guard case .loading = state.phase else { return }
            state.engine = engine
            state.phase = .ready
        }
    }

    /// The model can't be loaded.
    public func failed(reason: String) { state.withLock { $0.phase = .failed(reason: reason) } }

    /// New work should go elsewhere from now on; what still comes is answered.
    public func beginDraining() { state.withLock { $0.phase = .draining } }

    /// Answers one request.
    /// - Throws: as `InferenceEngine.infer`, and `.unavailable` before the model is loaded.
    public func infer(_ request: InferenceRequest) async throws -> [NamedTensor] {
        let engine = try state.withLock { (state) throws(InferenceError) in
            guard let engine = state.engine else { throw unavailable(state.phase) }
            state.inFlight += 1
            return engine
        }
        defer { state.withLock { $0.inFlight -= 1 } }
        return try await engine.infer(request)
    }

    private func unavailable(_ phase: Phase) -> InferenceError {
        switch phase {
        case .failed(let reason): InferenceError(.unavailable, "model \"\(name)\" couldn't be loaded: \(reason)")
        case .draining: InferenceError(.unavailable, "model \"\(name)\" is stopping")
        case .loading, .ready: InferenceError(.unavailable, "model \"\(name)\" is still loading; try again later")
        }
    }
}
