// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Synchronization
import Telemetry

/// The metrics mappings of the runtimes, read once for each version, so that all that is scraped by one shares it.
final class RuntimeMappings: Sendable {
    private struct Known {
        var version: String?
        var mapping: MetricsMapping
    }

    /// More runtimes than a cluster has; beyond it all are read anew.
    private static let limit = 256
    private let known = Mutex<[String: Known]>([:])

    /// Nothing read yet.
    init() {}

    /// What a runtime's metrics mean.
    func mapping(of runtime: ServingRuntime) -> MetricsMapping {
        let version = runtime.object.resourceVersion
        return known.withLock { known in
            if let found = known[runtime.object.name], found.version == version { return found.mapping }
            if known.count >= Self.limit { known = [:] }
            let mapping = runtime.mapping
            known[runtime.object.name] = Known(version: version, mapping: mapping)
            return mapping
        }
    }
}
