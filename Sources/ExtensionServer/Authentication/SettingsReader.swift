// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime
import Logging
import Synchronization

/// Keeps the authentication settings up to date.
final class SettingsReader: Sendable {
    /// The time between two looks; certificates are exchanged long before they end.
    static let interval = Duration.seconds(60)
    /// The shortest time between two looks that requests cause.
    static let shortest = Duration.seconds(5)

    private struct State {
        var settings: AuthenticationSettings?
        var read: WallTime?
    }

    private let client: KubeClient
    private let time: any TimeSource
    private let logger: Logger
    private let state = Mutex(State())

    /// A reader that has read nothing yet.
    init(client: KubeClient, time: any TimeSource, logger: Logger) {
        self.client = client
        self.time = time
        self.logger = logger
    }

    /// The settings as they were read last; `nil` before that, and where the cluster has none.
    var settings: AuthenticationSettings? { state.withLock { $0.settings } }

    /// Reads again, unless that was tried a moment ago.
    func refresh() async {
        let now = time.now()
        let isDue = state.withLock { state in
            if let read = state.read, now - read < Self.shortest { return false }
            state.read = now
            return true
        }
        if isDue { await read() }
    }

    /// Reads again and again, until cancelled.
    func run() async throws {
        while true {
            await refresh()
            try await time.sleep(for: settings == nil ? Self.shortest : Self.interval)
        }
    }

    private func read() async {
        do {
            guard let map = try await client.find(.configMaps, AuthenticationSettings.key) else {
                return logger.warning(
                    "no front proxy is trusted: there is no such ConfigMap; bearer tokens still work",
                    metadata: ["config-map": "\(AuthenticationSettings.key)"]
                )
            }
            let settings = try AuthenticationSettings(map)
            state.withLock { $0.settings = settings }
        } catch {
            logger.warning(
                "the settings of front proxies can't be read",
                metadata: ["config-map": "\(AuthenticationSettings.key)", "error": "\(error)"]
            )
        }
    }
}
