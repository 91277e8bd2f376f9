// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The sockets that a loop's connections were made on: what the kernel knows of a peer that has gone silent.
///
/// libcurl 7.88 sends no HTTP/2 PING for a multi handle and shows none of the connection's state, so the kernel is asked.
final class ConnectionSockets {
    /// Numbers that were given to connections; some are closed, or something else's, by now.
    private var descriptors: Set<Int32> = []

    /// Room for what is sent, in bytes: libcurl before 8.1 loses its way when the kernel takes only a part. The kernel
    /// gives at most `net.core.wmem_max`.
    private static let sendBuffer: Int32 = 1 << 20

    /// Sets the kernel's limits on a fresh socket.
    func prepare(_ socket: Int32, peerTimeout: Duration) {
        descriptors.insert(socket)
        var room = Self.sendBuffer
        _ = unsafe setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &room, socklen_t(MemoryLayout<Int32>.size))
        #if os(Linux)
            let userTimeout: Int32 = 18  // TCP_USER_TIMEOUT, milliseconds
            var milliseconds = UInt32(clamping: max(1, peerTimeout.milliseconds))
            let size = socklen_t(MemoryLayout<UInt32>.size)
            // A kernel that doesn't know it leaves the time-outs of requests.
            _ = unsafe setsockopt(socket, Int32(IPPROTO_TCP), userTimeout, &milliseconds, size)
        #endif
    }

    /// Shuts the connection down that uses the local port `port`: libcurl then ends everything on it, and connects anew
    /// for what comes.
    func end(localPort port: Int) {
        for descriptor in descriptors where localPort(of: descriptor) == port {
            descriptors.remove(descriptor)
            _ = shutdown(descriptor, Int32(SHUT_RDWR))
            return
        }
    }

    /// How long nothing at all has arrived on the connection that uses the local port `port`; `nil` where nobody knows.
    func silence(localPort port: Int) -> Duration? {
        #if os(Linux)
            for descriptor in descriptors where localPort(of: descriptor) == port { return silence(of: descriptor) }
        #endif
        return nil
    }

    private func localPort(of descriptor: Int32) -> Int? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(descriptor, $0, &size)
            }
        }
        guard status == 0 else { return nil }
        let family = Int32(storage.ss_family)
        return unsafe withUnsafePointer(to: storage) { pointer -> Int? in
            switch family {
            case AF_INET:
                unsafe pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    unsafe Int(UInt16(bigEndian: $0.pointee.sin_port))
                }
            case AF_INET6:
                unsafe pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    unsafe Int(UInt16(bigEndian: $0.pointee.sin6_port))
                }
            default: nil
            }
        }
    }

    #if os(Linux)
        private func silence(of descriptor: Int32) -> Duration? {
            var info = tcp_info()
            var size = socklen_t(MemoryLayout<tcp_info>.size)
            guard unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &size) == 0 else { return nil }
            return .milliseconds(Int64(info.tcpi_last_data_recv))
        }
    #endif
}

@available(*, unavailable)
extension ConnectionSockets: Sendable {}

extension Duration {
    fileprivate var milliseconds: Int64 {
        components.seconds.multipliedReportingOverflow(by: 1000).partialValue
            + components.attoseconds / 1_000_000_000_000_000
    }
}
