// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Looks at a child process without taking its end away from who waits for it.
enum ChildProcess {
    /// The exit status of a child that is over, -1 for one that a signal ended; `nil` while it runs, or isn't known.
    ///
    /// Foundation notices an end only when every program that the child left behind has ended too.
    static func status(of pid: Int32) -> Int32? {
        #if canImport(Glibc)
            var info = unsafe siginfo_t()
            let status = unsafe waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT)
            guard status == 0, unsafe info._sifields._sigchld.si_pid == pid else { return nil }
            return unsafe info.si_code == CLD_EXITED ? unsafe info._sifields._sigchld.si_status : -1
        #else
            return nil
        #endif
    }
}
