// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Logging

/// Passes on what the HTTP server logs, but for the news that it was cancelled: that is a way to stop it, and no error.
struct ServerLog: LogHandler {
    private var base: any LogHandler

    /// A log that writes to `base`.
    init(_ base: any LogHandler) { self.base = base }

    var logLevel: Logger.Level {
        get { base.logLevel }
        set { base.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { base.metadata }
        set { base.metadata = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { base[metadataKey: key] }
        set { base[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        guard !event.message.description.contains("CancellationError()") else { return }
        base.log(event: event)
    }
}
