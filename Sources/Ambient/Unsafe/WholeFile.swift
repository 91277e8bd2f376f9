// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Reads files from their beginning to their end, and puts them in their place in one step. Reads also those that Foundation refuses: a pipe, as the shell's `<(command)` is one,
/// and `/dev/stdin`.
public enum WholeFile {
    /// The largest file that is read where nothing else is said: 1 GiB.
    public static let limit = 1 << 30

    /// The bytes of a file; waits for whoever writes to a pipe.
    /// - Throws: the system's reason; `EFBIG` when there are more than `limit` bytes.
    public static func read(_ path: String, limit: Int = limit) throws(SystemError) -> [UInt8] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw SystemError(code: errno) }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Self.read(file, into: $0) }
            guard count >= 0 else { throw SystemError(code: errno) }
            guard count > 0 else { return bytes }
            guard count <= limit - bytes.count else { throw SystemError(code: EFBIG) }
            bytes += chunk[..<count]
        }
    }

    /// Finds out whether a file can be written, before the work whose outcome it is for; leaves a file that is there as it is, and
    /// nothing where there is none.
    /// - Throws: the system's reason.
    public static func checkWriting(_ path: String) throws(SystemError) {
        let new = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if new >= 0 {
            close(new)
            guard unsafe unlink(path) == 0 else { throw SystemError(code: errno) }
            return
        }
        guard errno == EEXIST else { throw SystemError(code: errno) }
        let file = unsafe open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { throw SystemError(code: errno) }
        close(file)
    }

    /// Moves `source` over `target` in one step: whoever opens `target` finds the old file or the new one.
    /// - Throws: the system's reason.
    public static func move(_ source: String, over target: String) throws(SystemError) {
        guard unsafe rename(source, target) == 0 else { throw SystemError(code: errno) }
    }

    /// As `read(2)`, which a signal doesn't interrupt.
    private static func read(_ file: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            #if canImport(Darwin)
                let count = unsafe Darwin.read(file, buffer.baseAddress, buffer.count)
            #elseif canImport(Glibc)
                let count = unsafe Glibc.read(file, buffer.baseAddress, buffer.count)
            #else
                let count = unsafe Musl.read(file, buffer.baseAddress, buffer.count)
            #endif
            if count >= 0 || errno != EINTR { return count }
        }
    }
}
