// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The system calls for processes.
enum ProcessCalls {
    /// A started process and the read end of the pipe that its output goes to.
    struct Started {
        /// The process, which leads a group of its own.
        var pid: Int32
        /// The read end; its owner closes it.
        var output: Int32
    }

    /// Starts a process in a group of its own: standard input from `input` or nothing, output and errors to one pipe.
    ///
    /// Every other descriptor is closed in the child, and its signals are as at a fresh start.
    /// - Throws: `LocalClusterError` with the system's reason.
    static func spawn(_ request: ProcessRequest, input: Int32? = nil) throws(LocalClusterError) -> Started {
        var pipe: [Int32] = [-1, -1]
        guard makePipe(&pipe) == 0 else { throw failure(request, errno) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer {
            unsafe posix_spawn_file_actions_destroy(&actions)
            unsafe posix_spawnattr_destroy(&attributes)
            close(pipe[1])
        }
        guard unsafe addDirectory(&actions, request.directory) else {
            close(pipe[0])
            throw failure(request, ENOSYS)
        }
        if let input {
            unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        unsafe posix_spawn_file_actions_adddup2(&actions, pipe[1], 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, pipe[1], 2)
        let ownFlags = Int32(POSIX_SPAWN_SETPGROUP) | Int32(POSIX_SPAWN_SETSIGDEF) | Int32(POSIX_SPAWN_SETSIGMASK)
        #if canImport(Glibc)
            unsafe closeOthers(&actions)
            let flags = ownFlags
        #else
            let flags = ownFlags | Int32(POSIX_SPAWN_CLOEXEC_DEFAULT)
        #endif
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe posix_spawnattr_setsigmask(&attributes, &signals)
        unsafe sigfillset(&signals)
        unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
        let environment = request.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        var pid: pid_t = 0
        let result = unsafe withCStrings([request.executable] + request.arguments) { arguments in
            unsafe withCStrings(environment) { variables in
                unsafe posix_spawn(&pid, request.executable, &actions, &attributes, arguments, variables)
            }
        }
        guard result == 0 else {
            close(pipe[0])
            throw failure(request, result)
        }
        return Started(pid: pid, output: pipe[0])
    }

    /// Sends a signal to a process group; nothing happens when it is empty.
    static func signal(group pid: Int32, _ signal: ProcessSignal) {
        guard pid > 1 else { return }
        kill(-pid, signal == .terminate ? SIGTERM : SIGKILL)
    }

    /// Blocks until the process has ended, but leaves it as a zombie: its number can't be reused yet.
    static func awaitEnd(of pid: Int32) {
        var info = unsafe siginfo_t()
        while unsafe waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) == -1, errno == EINTR {}
    }

    /// Takes in an ended process.
    static func reap(_ pid: Int32) -> ProcessExit {
        var status: Int32 = 0
        while unsafe waitpid(pid, &status, 0) == -1 { if errno != EINTR { return .code(255) } }
        let signal = status & 0x7f
        return signal == 0 ? .code(Int(status >> 8 & 0xff)) : .signal(Int(signal))
    }

    /// Makes a pipe whose ends no child inherits: the read end first.
    static func makePipe(_ ends: inout [Int32]) -> Int32 {
        let result = unsafe pipe(&ends)
        for end in ends where result == 0 { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return result
    }

    /// Writes all of `text`; false when the other end is gone.
    static func write(_ text: String, to descriptor: Int32) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe rawWrite(descriptor, $0.baseAddress, $0.count) }
            if count < 0 { if errno == EINTR { continue } else { return false } }
            bytes = bytes.dropFirst(count)
        }
        return true
    }

    private static func rawWrite(_ descriptor: Int32, _ start: UnsafeRawPointer?, _ count: Int) -> Int {
        #if canImport(Glibc)
            unsafe Glibc.write(descriptor, start, count)
        #else
            unsafe Darwin.write(descriptor, start, count)
        #endif
    }

    /// Closes a descriptor.
    static func closeDescriptor(_ descriptor: Int32) { close(descriptor) }

    #if canImport(Glibc)
        // Two functions that the headers show to GNU sources only, so they are looked up by name.
        private typealias AddDirectory =
            @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, UnsafePointer<CChar>) -> Int32
        private typealias AddCloseFrom =
            @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32

        /// Makes the child start in `directory` (glibc 2.29 and later).
        private static func addDirectory(_ actions: inout posix_spawn_file_actions_t, _ directory: String) -> Bool {
            guard let symbol = unsafe dlsym(nil, "posix_spawn_file_actions_addchdir_np") else { return false }
            return unsafe unsafeBitCast(symbol, to: AddDirectory.self)(&actions, directory) == 0
        }

        /// Closes every other descriptor in the child (glibc 2.34 and later); before, only those marked close-on-exec.
        private static func closeOthers(_ actions: inout posix_spawn_file_actions_t) {
            guard let symbol = unsafe dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else { return }
            _ = unsafe unsafeBitCast(symbol, to: AddCloseFrom.self)(&actions, 3)
        }
    #else
        private static func addDirectory(_ actions: inout posix_spawn_file_actions_t?, _ directory: String) -> Bool {
            unsafe posix_spawn_file_actions_addchdir_np(&actions, directory) == 0
        }
    #endif

    private static func failure(_ request: ProcessRequest, _ code: Int32) -> LocalClusterError {
        LocalClusterError("failed to start \"\(request.executable)\": \(SystemError(code: code))")
    }

    private static func withCStrings<Result>(
        _ strings: [String],
        _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let pointers = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { for index in 0..<strings.count { unsafe free(pointers[index]) } }
        return unsafe body(pointers)
    }
}
