// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation

/// The system calls for files that Foundation has no safe form of.
enum FileCalls {
    /// Moves `source` over `target` in one step.
    /// - Throws: `LocalClusterError` with the system's reason.
    static func replace(_ target: String, with source: String) throws(LocalClusterError) {
        guard unsafe rename(source, target) == 0 else {
            throw LocalClusterError("can't replace \(target): \(SystemError(code: errno))")
        }
    }

    /// Makes a file that only its owner may read.
    /// - Throws: `LocalClusterError` with the system's reason, also where there is such a file.
    static func create(_ path: String, _ bytes: [UInt8]) throws(LocalClusterError) {
        let file = unsafe open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw LocalClusterError("can't create \(path): \(SystemError(code: errno))") }
        defer { close(file) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw LocalClusterError("can't write \(path): \(SystemError(code: errno))") }
            rest = rest.dropFirst(count)
        }
    }
}
