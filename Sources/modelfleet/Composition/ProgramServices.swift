// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle
import UnixSignals

/// The long-lived parts of a program, until SIGTERM or SIGINT: started in order, stopped in reverse.
struct ProgramServices {
    private let services: [any Service]
    private let limit: Duration
    private let logger: Logger

    /// The parts, in the order in which they start; `limit` is how long their end may take.
    init(_ services: [any Service], endingWithin limit: Duration = .seconds(20), logger: Logger) {
        self.services = services
        self.limit = limit
        self.logger = logger
    }

    /// Runs until a signal, or until one part ends; then all others are shut down gracefully within the limit.
    func run() async throws {
        var configuration = ServiceGroupConfiguration(
            services: services.map {
                .init(
                    service: $0,
                    successTerminationBehavior: .gracefullyShutdownGroup,
                    failureTerminationBehavior: .gracefullyShutdownGroup
                )
            },
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        configuration.maximumGracefulShutdownDuration = limit
        try await ServiceGroup(configuration: configuration).run()
    }
}
