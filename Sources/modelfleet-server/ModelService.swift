// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import Foundation
import Inference
import InferenceHTTP
import Logging
import ServiceLifecycle

/// Fetches and loads the model, then runs its engine until a graceful shutdown.
struct ModelService: Service {
    /// The model that becomes ready.
    let model: ServedModel
    /// Told of the load and of every batch.
    let metrics: ServerMetrics
    /// Where the model file is.
    let uri: String
    /// What the file must hash to; `nil` for anything.
    let sha256: String?
    /// Where a download is put; `nil` for a temporary folder that is removed after loading.
    let directory: String?
    /// The largest model file.
    let maximumModelBytes: Int
    /// Makes the backend.
    let loader: ModelLoader
    /// How the engine batches.
    let engineConfiguration: EngineConfiguration
    /// The clock.
    let time: any TimeSource
    /// The log.
    let logger: Logger

    /// Loads, then serves.
    /// - Throws: `InferenceError.loadFailed`, which ends the process.
    func run() async throws {
        let start = time.now()
        logger.info("loading", metadata: ["model": "\(model.name)", "uri": "\(uri)"])
        let backend: any ModelBackend
        do {
            backend = try await cancelWhenGracefulShutdown { try await load() }
        } catch {
            if Task.isShuttingDownGracefully { return }
            model.failed(reason: "\(error)")
            throw error
        }
        let engine = InferenceEngine(
            backend: backend,
            configuration: engineConfiguration,
            time: time,
            observer: metrics
        )
        let duration = time.now() - start
        metrics.modelLoaded(in: duration)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await engine.run() }
            model.loaded(engine)
            logger.info("ready", metadata: ["model": "\(model.name)", "seconds": "\(duration / .seconds(1))"])
            try? await gracefulShutdown()
            engine.stop()
        }
    }

    private func load() async throws -> any ModelBackend {
        let temporary = FileManager.default.temporaryDirectory
            .appendingPathComponent("modelfleet-model-\(ProcessInfo.processInfo.processIdentifier)").path
        defer { if directory == nil { try? FileManager.default.removeItem(atPath: temporary) } }
        let exchange = CurlExchange(
            configuration: CurlConfiguration(
                userAgent: "modelfleet-server",
                proxy: loader.environment["HTTPS_PROXY"] ?? loader.environment["https_proxy"],
                noProxy: loader.environment["NO_PROXY"] ?? loader.environment["no_proxy"],
                maximumConnections: 2
            )
        )
        defer { exchange.shutdown() }
        let fetcher = ModelFetcher(
            exchange: exchange,
            directory: directory ?? temporary,
            maximumBytes: maximumModelBytes
        )
        let file = try await fetcher.fetch(uri, sha256: sha256)
        try Task.checkCancellation()
        return try await loader.load(file: file, uri: uri)
    }
}
