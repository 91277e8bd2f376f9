// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeAPI
import KubeModel

/// What has to be in a cluster before the operator can work.
enum Installation {
    /// Applies the definitions, waits until they are established, and applies the built-in ServingRuntime.
    static func install(into client: KubeClient) async throws {
        for definition in FleetAPI.customResourceDefinitions {
            try await client.apply(.customResourceDefinitions, definition, force: true)
        }
        for definition in FleetAPI.customResourceDefinitions {
            while try await !isEstablished(definition.key, client) { try await Task.sleep(for: .milliseconds(50)) }
        }
        try await client.apply(.servingRuntimes, ServingRuntime.builtIn, force: true)
    }

    private static func isEstablished(_ key: ObjectKey, _ client: KubeClient) async throws -> Bool {
        let definition = try await client.get(.customResourceDefinitions, key)
        let conditions = definition["status", "conditions"]?.array ?? []
        return conditions.contains { $0["type"] == "Established" && $0["status"] == "True" }
    }
}
