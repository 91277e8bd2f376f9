// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The one line that says why the process ended: on standard error, and where the kubelet looks for it.
enum TerminationMessage {
    /// The variable that names another file.
    static let variable = "MODELFLEET_TERMINATION_LOG"
    /// Where Kubernetes mounts a container's termination message by default.
    static let defaultPath = "/dev/termination-log"

    /// Writes the line; a file that can't be written is passed over.
    static func write(_ message: String, environment: [String: String]) {
        let line = message.split(whereSeparator: \.isNewline).joined(separator: " ") + "\n"
        try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
        let named = environment[variable].flatMap { $0.isEmpty ? nil : $0 }
        let path = named ?? defaultPath
        // The default exists in a container only; making it elsewhere would leave a file in /dev.
        guard named != nil || FileManager.default.fileExists(atPath: path) else { return }
        // The kubelet reads at most 4096 bytes.
        try? Data(line.utf8.prefix(4096)).write(to: URL(fileURLWithPath: path))
    }
}
