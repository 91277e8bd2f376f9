// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import KubeModel

/// Which proxy a server is reached through, by the variables that Go programs, `kubectl` among them, read.
///
/// | variable | what it says |
/// | --- | --- |
/// | `HTTPS_PROXY`, `https_proxy` | the proxy for `https` servers |
/// | `HTTP_PROXY`, `http_proxy` | the proxy for `http` servers; ignored where `REQUEST_METHOD` is set (a web server's program) |
/// | `NO_PROXY`, `no_proxy` | the servers that are reached without one, separated by commas |
///
/// | an entry of `NO_PROXY` | the servers it means |
/// | --- | --- |
/// | `*` | all |
/// | `10.0.0.1`, `10.0.0.0/8`, `fd00::/8` | that address, the addresses of that network |
/// | `example.com` | that host and those below it |
/// | `.example.com`, `*.example.com` | the hosts below it, not itself |
/// | any of them with a port, `example.com:6443` | the same, on that port only |
///
/// `localhost` and loopback addresses are never reached through a proxy. Upper case wins over lower case.
public struct ProxyRules: Sendable, Hashable {
    private let httpsProxy: String?
    private let httpProxy: String?
    private let exceptions: [Exception]

    private struct Exception: Sendable, Hashable {
        enum Hosts: Sendable, Hashable {
            case all
            case network(IPAddress, bits: Int)
            case domain(String, withItself: Bool)
        }

        var hosts: Hosts
        var port: Int?
    }

    /// The rules of an environment.
    public init(environment: [String: String]) {
        func value(_ name: String) -> String? {
            [name, name.lowercased()].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        httpsProxy = value("HTTPS_PROXY").map(Self.withScheme)
        httpProxy = environment["REQUEST_METHOD"] == nil ? value("HTTP_PROXY").map(Self.withScheme) : nil
        exceptions = (value("NO_PROXY") ?? "").split(separator: ",").compactMap { Self.exception(String($0)) }
    }

    /// The proxy's URL for a server such as `https://host:6443`; `nil` for none.
    public func proxy(for server: String) -> String? {
        let address = ServerAddress(server)
        let isSecure = address.scheme.lowercased() == "https"
        guard let proxy = isSecure ? httpsProxy : httpProxy else { return nil }
        let (name, written) = Self.hostAndPort(address.authority)
        let host = name.lowercased()
        let port = written ?? (isSecure ? 443 : 80)
        let ip = IPAddress(host)
        if host == "localhost" || ip?.isLoopback == true { return nil }
        let isException = exceptions.contains { exception in
            guard exception.port == nil || exception.port == port else { return false }
            switch exception.hosts {
            case .all: return true
            case .network(let network, let bits): return ip.map { $0.isWithin(network, bits: bits) } ?? false
            case .domain(let domain, let withItself):
                return (withItself && host == domain) || host.hasSuffix("." + domain)
            }
        }
        return isException ? nil : proxy
    }

    private static func withScheme(_ proxy: String) -> String { proxy.contains("://") ? proxy : "http://\(proxy)" }

    private static func exception(_ entry: String) -> Exception? {
        let text = entry.trimmingWhitespace.lowercased()
        guard !text.isEmpty else { return nil }
        if text == "*" { return Exception(hosts: .all) }
        if let slash = text.firstIndex(of: "/") {
            guard let network = IPAddress(String(text[..<slash])), let bits = Int(text[text.index(after: slash)...]),
                (0...network.bytes.count * 8).contains(bits)
            else { return nil }
            return Exception(hosts: .network(network, bits: bits))
        }
        if let address = IPAddress(text) { return Exception(hosts: .network(address, bits: address.bytes.count * 8)) }
        let (host, port) = hostAndPort(text)
        if let address = IPAddress(host) {
            return Exception(hosts: .network(address, bits: address.bytes.count * 8), port: port)
        }
        var domain = host[...]
        if domain.hasPrefix("*.") { domain = domain.dropFirst() }
        let isBelow = domain.hasPrefix(".")
        if isBelow { domain = domain.dropFirst() }
        guard !domain.isEmpty else { return nil }
        return Exception(hosts: .domain(String(domain), withItself: !isBelow), port: port)
    }

    private static func hostAndPort(_ authority: String) -> (String, Int?) {
        let place = authority.split(separator: "@").last ?? ""
        if place.hasPrefix("["), let end = place.firstIndex(of: "]") {
            let port = place[place.index(after: end)...].dropFirst()
            return (String(place[place.index(after: place.startIndex)..<end]), Int(port))
        }
        let parts = place.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let port = Int(parts[1]) else { return (String(place), nil) }
        return (String(parts[0]), port)
    }
}

/// An IPv4 or IPv6 address.
struct IPAddress: Sendable, Hashable {
    /// 4 or 16 bytes, the highest first; an IPv4 address within IPv6 (`::ffff:1.2.3.4`) has 4.
    let bytes: [UInt8]

    /// Reads `10.0.0.1` or `fd00::1`; `nil` for anything else.
    init?(_ text: String) {
        if let address = IPv4Address(text) {
            bytes = address.bytes
            return
        }
        guard text.contains(":"), let bytes = Self.sixteen(text) else { return nil }
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]
        self.bytes = bytes.starts(with: mapped) ? Array(bytes[12...]) : bytes
    }

    /// Whether it is the machine itself: 127.0.0.0/8 or ::1.
    var isLoopback: Bool {
        bytes.count == 4 ? bytes[0] == 127 : bytes == [UInt8](repeating: 0, count: 15) + [1]
    }

    /// Whether its first `bits` are those of `network`.
    func isWithin(_ network: IPAddress, bits: Int) -> Bool {
        guard bytes.count == network.bytes.count else { return false }
        return (0..<bits).allSatisfy { bit in
            let mask = UInt8(0x80) >> UInt8(bit % 8)
            return bytes[bit / 8] & mask == network.bytes[bit / 8] & mask
        }
    }

    private static func sixteen(_ text: String) -> [UInt8]? {
        guard let gap = text.firstRange(of: "::") else {
            let bytes = groups(text[...])
            return bytes?.count == 16 ? bytes : nil
        }
        let (before, after) = (text[..<gap.lowerBound], text[gap.upperBound...])
        guard let front = before.isEmpty ? [] : groups(before), let back = after.isEmpty ? [] : groups(after),
            front.count + back.count < 16
        else { return nil }
        return front + [UInt8](repeating: 0, count: 16 - front.count - back.count) + back
    }

    private static func groups(_ text: Substring) -> [UInt8]? {
        var bytes: [UInt8] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.contains(".") {
                guard let address = IPv4Address(part) else { return nil }
                bytes += address.bytes
            } else {
                guard (1...4).contains(part.count), part.first != "+", let group = UInt16(part, radix: 16) else {
                    return nil
                }
                bytes += [UInt8(group >> 8), UInt8(group & 0xff)]
            }
        }
        return bytes
    }
}
