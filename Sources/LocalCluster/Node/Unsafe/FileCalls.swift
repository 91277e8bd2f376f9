// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation

/// The system calls for files that Foundation has no safe form of.
enum FileCalls {
    /// Moves `source` over `target` in one step.
    /// - Throws: `LocalClusterError` with the system's reason.
    static func replace(_ target: String, with source: String) throws(LocalClusterError) {
        do throws(SystemError) { try WholeFile.move(source, over: target) } catch {
            throw LocalClusterError("can't replace \(target): \(error)")
        }
    }

    /// The last bytes of a regular file, at most `count`; `nil` where there is none. What else may have its name (a pipe, a device) isn't
    /// opened, and nothing is waited for.
    static func tail(_ path: String, _ count: Int) -> [UInt8]? {
        var facts = stat()
        // Before it is opened, since opening a device may do something; and after, since it may be another by then.
        guard unsafe stat(path, &facts) == 0, isRegular(facts) else { return nil }
        let file = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        guard unsafe fstat(file, &facts) == 0, isRegular(facts) else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        var length = 0
        let start = max(0, Int(facts.st_size) - count)
        while length < count {
            let rest = length..<count
            let read = unsafe bytes[rest].withUnsafeMutableBytes { buffer in
                unsafe pread(file, buffer.baseAddress, buffer.count, off_t(start + length))
            }
            if read < 0, errno == EINTR { continue }
            guard read > 0 else { break }
            length += read
        }
        return Array(bytes[..<length])
    }

    private static func isRegular(_ facts: stat) -> Bool { facts.st_mode & S_IFMT == S_IFREG }

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
