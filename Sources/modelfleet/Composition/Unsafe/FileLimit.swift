// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How many files and connections this process may have open.
enum FileLimit {
    /// The most that is asked for: enough for 10,000 pods, and a table in the kernel that stays small.
    static let wanted = 32_768

    /// Raises the soft limit as far as the hard one allows, up to `wanted`, and gives what holds then; many systems start at 1,024.
    static func raise() -> Int {
        var limits = rlimit()
        // SAFETY: the call writes one `rlimit`, and `limits` is one.
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else { return 1024 }
        let aim = min(limits.rlim_max, rlim_t(wanted))
        if limits.rlim_cur < aim {
            var raised = limits
            raised.rlim_cur = aim
            // SAFETY: the call reads one `rlimit`, and `raised` is one.
            if unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limits = raised }
        }
        return Int(min(limits.rlim_cur, rlim_t(Int32.max)))
    }

    /// How many connections to pods may stay open: all but what the rest of the process needs, at least `least`.
    static func connections(of limit: Int, least: Int = 512) -> Int { max(least, min(limit, wanted) - 1024) }
}
