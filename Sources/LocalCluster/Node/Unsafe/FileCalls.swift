// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The system calls for files that Foundation has no safe form of.
enum FileCalls {
    /// Moves `source` over `target` in one step.
    /// - Throws: `LocalClusterError` with the system's reason.
    static func replace(_ target: String, with source: String) throws(LocalClusterError) {
        guard unsafe rename(source, target) == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            throw LocalClusterError("can't replace \(target): \(reason)")
        }
    }
}
