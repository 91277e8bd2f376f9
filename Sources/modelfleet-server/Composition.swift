// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import CurlHTTP
import HTTPServing
import Inference
import InferenceHTTP
import Logging
import ServiceLifecycle
import UnixSignals

extension ModelFleetServer {
    /// Builds the services. They start together; on SIGTERM they stop in the reverse order, each after the one before:
    /// 1. drain: readiness turns false, and the server keeps answering until nobody asks any more;
    /// 2. http: the socket closes, requests in flight end;
    /// 3. model: the engine's threads end.
    func composition(environment: [String: String]) -> ServiceGroup {
        LoggingSystem.bootstrap { StreamLogHandler.standardOutput(label: $0) }
        var logger = Logger(label: "modelfleet-server")
        logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
        let ready = logger
        let time = SystemTime()
        let model = ServedModel(name: modelName, version: modelVersion)
        let metrics = ServerMetrics(model: model)
        let address = [host, environment["MODELFLEET_HOST"]].compactMap { $0 }.first { !$0.isEmpty } ?? "0.0.0.0"
        let door = InferenceExchange(
            model: model,
            metrics: metrics,
            limits: InferenceLimits(
                bodyBytes: maxRequestMebibytes << 20,
                pendingBodyBytes: maxPendingMebibytes << 20,
                requestTimeout: .milliseconds(requestTimeoutMilliseconds)
            ),
            time: time,
            serverVersion: Self.configuration.version
        )
        let statistics = HTTPServiceStatistics()
        let http = HTTPService(
            exchange: door,
            host: address,
            port: port,
            // What is in flight has been waited for already; this is for what came in at the last moment.
            limits: HTTPServiceLimits(drain: .seconds(3), linger: .seconds(1)),
            statistics: statistics,
            logger: logger,
            onListening: { port in
                ready.info("listening", metadata: ["address": "\(address)", "port": "\(port)"])
            }
        )
        let service = ModelService(
            model: model,
            metrics: metrics,
            uri: modelUri,
            sha256: modelSha256,
            directory: modelDirectory,
            maximumModelBytes: maxModelMebibytes << 20,
            loader: ModelLoader(threads: threads, environment: environment),
            engineConfiguration: EngineConfiguration(
                policy: BatchPolicy(
                    maximumSize: maxBatchSize,
                    maximumWait: .milliseconds(maxBatchWaitMilliseconds)
                ),
                maximumQueueLength: maxQueueLength,
                workers: workers
            ),
            time: time,
            logger: logger
        )
        let drain = DrainService(
            model: model,
            metrics: metrics,
            statistics: statistics,
            rule: DrainRule(least: .seconds(drainSeconds), most: .seconds(drainLimitSeconds)),
            time: time,
            logger: logger
        )
        return ServiceGroup(
            services: [service, http, drain],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
    }
}
