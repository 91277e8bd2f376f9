// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FleetAPI
import Simulation

/// What a replica can do, by flags.
struct FleetOptions: ParsableArguments {
    @Option(help: "The mean milliseconds of work in a request, without waiting; 1000 by default.")
    var serviceMs: Double?

    @Option(
        help: "The coefficient of variation of the work: 0, the default, is always the same, 1 as good as anything."
    )
    var serviceVariation: Double?

    @Option(help: "Take the work in a request from a histogram on this page instead: a file with what /metrics said.")
    var metricsPage: String?

    @Option(help: "The histogram on that page, without _bucket: of work, not of waiting.")
    var metric: String?

    @Option(help: "The requests that a replica works on at the same time.")
    var concurrency = 4

    @Option(help: "By which share each further request in work slows a request down (batching).")
    var occupancySlope: Double = 0

    @Option(help: "The seconds from the decision to start a replica until it is ready.")
    var coldStartSeconds: Double = 60

    @Option(help: "The requests that may wait per replica; those beyond are rejected. No limit by default.")
    var queueLimit: Int?

    @Option(help: "How requests find a replica: \(Balancing.allCases.map(\.rawValue).joined(separator: ", ")).")
    var balancing = Balancing.sharedQueue.rawValue

    @Option(help: "Makes the run reproducible: the same seed gives the same figures.")
    var seed: UInt64 = 1

    mutating func validate() throws {
        guard (metricsPage == nil) == (metric == nil) else {
            throw ValidationError("--metrics-page and --metric need each other: the file, and the histogram in it")
        }
        guard metricsPage == nil || serviceMs == nil && serviceVariation == nil else {
            throw ValidationError(
                "--metrics-page says how long the work takes; leave --service-ms and --service-variation out"
            )
        }
        guard serviceMs ?? 1 > 0, serviceMs ?? 1 <= 3_600_000 else {
            throw ValidationError("--service-ms must be above 0 and at most an hour")
        }
        guard (0...10).contains(serviceVariation ?? 0) else {
            throw ValidationError("--service-variation must be 0 to 10")
        }
        guard (1...10_000).contains(concurrency) else { throw ValidationError("--concurrency must be 1 to 10000") }
        guard (0...10).contains(occupancySlope) else { throw ValidationError("--occupancy-slope must be 0 to 10") }
        guard (0...3600).contains(coldStartSeconds) else {
            throw ValidationError("--cold-start-seconds must be 0 to 3600")
        }
        guard queueLimit ?? 0 >= 0 else { throw ValidationError("--queue-limit can't be negative") }
        guard Balancing(rawValue: balancing) != nil else {
            throw ValidationError(
                "--balancing: one of \(Balancing.allCases.map(\.rawValue).joined(separator: ", ")), not \"\(balancing)\""
            )
        }
    }

    /// The fleet of a model: bounds and objective from its spec.
    /// - Throws: when the metrics page can't be used, or the model has no objective.
    func settings(_ picked: SimulatedModel) throws -> FleetSettings {
        var settings = FleetSettings()
        settings.serviceTime = try serviceTime()
        settings.concurrency = concurrency
        settings.occupancySlope = occupancySlope
        settings.coldStartSeconds = coldStartSeconds
        settings.queueLimit = queueLimit
        settings.balancing = Balancing(rawValue: balancing) ?? .sharedQueue
        let scaling = picked.model.scaling
        settings.minReplicas = scaling.minReplicas
        settings.scalesToZero = scaling.idleSeconds != nil
        settings.maxReplicas = scaling.maxReplicas
        settings.seed = seed
        let latency = try picked.latency()
        settings.objectiveSeconds = latency.milliseconds / 1000
        settings.objectivePercentile = latency.percentile
        return settings
    }

    private func serviceTime() throws -> ServiceTime {
        if let metricsPage, let metric { return try ServicePage(file: metricsPage).serviceTime(metric) }
        let variation = serviceVariation ?? 0
        let shape: ServiceTime.Shape =
            variation == 0 ? .deterministic : variation == 1 ? .exponential : .lognormal(variation: variation)
        return ServiceTime(shape, meanSeconds: (serviceMs ?? 1000) / 1000)
    }
}
