// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import KubeModel

/// Where a model file lies: `file://` or `https://`; `http://` on this machine only.
public enum ModelLocation: Sendable, Hashable {
    /// A file by its absolute path.
    case file(path: String)
    /// A file on a web server.
    case web(scheme: String, authority: String, path: String)

    /// Reads a URI.
    /// - Throws: `InferenceError.loadFailed` that names what is allowed.
    public init(_ uri: String) throws(InferenceError) {
        guard let (scheme, rest) = Self.split(uri) else {
            throw Self.failure(uri, "it has no scheme; use file:///path or https://host/path")
        }
        switch scheme {
        case "file":
            guard let slash = rest.firstIndex(of: "/"), ["", "localhost"].contains(rest[..<slash]),
                let path = Self.decodingPercents(rest[slash...]), path.count > 1
            else { throw Self.failure(uri, "a file URI has an absolute path: file:///path/model.onnx") }
            self = .file(path: path)
        case "https", "http":
            let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
            let authority = String(rest[..<end])
            guard !authority.isEmpty, !authority.contains("@"),
                uri.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
            else { throw Self.failure(uri, "expected https://host/path, percent-encoded and without credentials") }
            guard scheme == "https" || Self.isLoopback(authority) else {
                throw Self.failure(uri, "http:// is allowed for this machine only; use https://")
            }
            let tail = rest[end...].prefix { $0 != "#" }
            self = .web(scheme: scheme, authority: authority, path: tail.hasPrefix("/") ? String(tail) : "/" + tail)
        default: throw Self.failure(uri, "the scheme \(scheme):// isn't supported; use file:// or https://")
        }
    }

    /// The location that a `Location` header field points to from here.
    /// - Throws: `InferenceError.loadFailed` as `init`.
    public func following(_ target: String) throws(InferenceError) -> ModelLocation {
        if case .web(let scheme, let authority, let path) = self {
            if target.hasPrefix("//") { return try ModelLocation("\(scheme):\(target)") }
            if target.hasPrefix("/") { return try ModelLocation("\(scheme)://\(authority)\(target)") }
            if Self.isRelative(target) {
                return try ModelLocation("\(scheme)://\(authority)\(Self.path(target, from: path))")
            }
            if case .web("https", _, _) = self, target.lowercased().hasPrefix("http:") {
                throw Self.failure(target, "a redirect from https to http isn't followed")
            }
        }
        if target.lowercased().hasPrefix("file:") { throw Self.failure(target, "a redirect to a file isn't followed") }
        return try ModelLocation(target)
    }

    /// Whether a reference has no scheme (RFC 3986, section 4.2).
    private static func isRelative(_ target: String) -> Bool {
        target.prefix { !"/?#".contains($0) }.firstIndex(of: ":") == nil
    }

    /// The path that a relative reference leads to from another one's folder (RFC 3986, section 5.2).
    private static func path(_ target: String, from base: String) -> String {
        let plain = base.prefix { $0 != "?" }
        if target.isEmpty || target.hasPrefix("#") { return base }
        if target.hasPrefix("?") { return plain + target }
        let end = target.firstIndex { "?#".contains($0) } ?? target.endIndex
        var steps = plain.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        let added = target[..<end].split(separator: "/", omittingEmptySubsequences: false)
        for (index, step) in added.enumerated() {
            let isLast = index == added.count - 1
            switch step {
            case ".": if isLast { steps.append("") }
            case "..":
                if steps.count > 1 { steps.removeLast() }
                if isLast { steps.append("") }
            default: steps.append(step)
            }
        }
        return steps.joined(separator: "/") + target[end...]
    }

    private static func split(_ uri: String) -> (scheme: String, rest: Substring)? {
        guard let colon = uri.firstIndex(of: ":"), uri[colon...].hasPrefix("://"), colon > uri.startIndex else {
            return nil
        }
        return (uri[..<colon].lowercased(), uri[uri.index(colon, offsetBy: 3)...])
    }

    private static func isLoopback(_ authority: String) -> Bool {
        if authority.hasPrefix("[::1]") { return authority == "[::1]" || authority.hasPrefix("[::1]:") }
        let host = authority.prefix { $0 != ":" }
        return host == "localhost" || IPv4Address(host)?.bytes.first == 127
    }

    private static func decodingPercents(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
                value != 0
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
    }

    private static func failure(_ uri: String, _ reason: String) -> InferenceError {
        InferenceError(.loadFailed, "model URI \(uri): \(reason)")
    }
}
