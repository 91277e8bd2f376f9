// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Loads a model file into a backend.
public struct ModelLoader: Sendable {
    /// The number of threads that one run may use inside the runtime.
    public var threads: Int
    /// The environment variables, for finding the runtime's library.
    public var environment: [String: String]

    /// A loader.
    public init(threads: Int = 1, environment: [String: String]) {
        self.threads = max(1, threads)
        self.environment = environment
    }

    /// Opens ONNX Runtime, loads the file, and runs it once with zeros, on a thread of its own.
    /// - Throws: `InferenceError.loadFailed` that names `uri`.
    public func load(file path: String, uri: String) async throws -> any ModelBackend {
        try await BlockingThread.run(named: "model-load") { [self] in
            let runtime = try OnnxRuntime.open(environment: environment)
            let backend = try OnnxBackend(runtime: runtime, file: path, uri: uri, threads: threads)
            backend.warmUp()
            return backend
        }
    }
}
