// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
public import Logging

/// The flags about logs that long-running commands share.
struct LogOptions: ParsableArguments {
    @Option(help: "The lowest level that is logged: trace, debug, info, notice, warning, error.")
    var logLevel: Logger.Level = .info

    /// A logger that writes to standard error.
    func logger(_ label: String) -> Logger {
        var logger = Logger(label: label) { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = logLevel
        return logger
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
