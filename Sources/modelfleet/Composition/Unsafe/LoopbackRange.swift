// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The loopback addresses of one local cluster, held against other local clusters on this machine.
///
/// Pods get 127.x.0.0/16 and Services 127.(x + 32).0.0/16, with x from 64 to 95: the first that nobody else holds. A
/// listening socket on 127.x.255.254 is what holds them; it goes with the process, however that ends.
final class LoopbackRange: Sendable {
    /// The addresses for pods, as `address/bits`.
    let pods: String
    /// The addresses for Services, as `address/bits`.
    let services: String
    private let socket: Int32

    private init(number: Int, socket: Int32) {
        pods = "127.\(number).0.0/16"
        services = "127.\(number + 32).0.0/16"
        self.socket = socket
    }

    deinit { close(socket) }

    /// Takes the first free range.
    /// - Throws: `CommandFailure` when 32 local clusters run already.
    static func take() throws -> LoopbackRange {
        for number in 64..<96 {
            if let socket = hold(number) { return LoopbackRange(number: number, socket: socket) }
        }
        throw CommandFailure("all 32 loopback ranges are in use: stop another `modelfleet local` first")
    }

    /// Listens on the range's last address, at the kubelet's port; `nil` when another process does.
    private static func hold(_ number: Int) -> Int32? {
        #if canImport(Darwin)
            let descriptor = Darwin.socket(AF_INET, SOCK_STREAM, 0)
        #else
            let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        #endif
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(10_250).bigEndian
        address.sin_addr.s_addr = (UInt32(127) << 24 | UInt32(number) << 16 | 0xfffe).bigEndian
        let isBound = unsafe withUnsafePointer(to: address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isBound, listen(descriptor, 1) == 0 else {
            close(descriptor)
            return nil
        }
        return descriptor
    }
}
