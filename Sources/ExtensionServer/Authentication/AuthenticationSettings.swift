// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeModel

/// How the API server tells extension servers who a request is from: the ConfigMap
/// `kube-system/extension-apiserver-authentication`.
struct AuthenticationSettings: Sendable, Hashable {
    /// The ConfigMap.
    static let key = ObjectKey(namespace: "kube-system", name: "extension-apiserver-authentication")

    /// The authorities of certificates of front proxies, as PEM; empty for none.
    var proxyAuthorities = ""
    /// The common names that front proxies may have; any where it is empty.
    var proxyNames: [String] = []
    /// The headers with the user's name; the first one that is there counts.
    var userHeaders: [String] = []
    /// The headers with the user's uid.
    var uidHeaders: [String] = []
    /// The headers with the user's groups; all of them count.
    var groupHeaders: [String] = []
    /// What the names of headers with further facts begin with.
    var extraPrefixes: [String] = []
    /// The authorities of clients' own certificates, as PEM; empty for none.
    var clientAuthorities = ""

    /// Nobody but who has a token.
    init() {}

    /// Reads the ConfigMap.
    /// - Throws: `UnreadableSettings` where a list of names isn't one.
    init(_ map: KubeObject) throws(UnreadableSettings) {
        let data = map["data"]
        proxyAuthorities = data?["requestheader-client-ca-file"]?.string ?? ""
        clientAuthorities = data?["client-ca-file"]?.string ?? ""
        guard !proxyAuthorities.isEmpty else { return }
        proxyNames = try Self.list(data, "requestheader-allowed-names")
        userHeaders = try Self.list(data, "requestheader-username-headers")
        uidHeaders = try Self.list(data, "requestheader-uid-headers")
        groupHeaders = try Self.list(data, "requestheader-group-headers")
        extraPrefixes = try Self.list(data, "requestheader-extra-headers-prefix")
    }

    private static func list(_ data: JSONValue?, _ name: String) throws(UnreadableSettings) -> [String] {
        guard let text = data?[name]?.string, !text.isEmpty else { return [] }
        guard let list = try? JSONValue(parsing: Array(text.utf8)).array else {
            throw UnreadableSettings(
                description: "\(name) in the ConfigMap \(key) isn't a JSON list: \(text.prefix(100))"
            )
        }
        return list.compactMap(\.string)
    }

    /// The user whom a front proxy's headers name; `nil` where they name none.
    func user(in fields: HTTPFields) -> UserInfo? {
        guard let name = Self.values(fields, userHeaders).first else { return nil }
        var extra: [String: [String]] = [:]
        for prefix in extraPrefixes.map({ $0.lowercased() }) where !prefix.isEmpty {
            for field in fields where field.name.canonicalName.hasPrefix(prefix) {
                let rest = String(field.name.canonicalName.dropFirst(prefix.utf8.count))
                extra[Self.unescaped(rest), default: []].append(field.value)
            }
        }
        return UserInfo(
            name: name,
            uid: Self.values(fields, uidHeaders).first ?? "",
            groups: Self.values(fields, groupHeaders),
            extra: extra
        )
    }

    /// The values of the fields with these names, in their order, without empty ones.
    private static func values(_ fields: HTTPFields, _ names: [String]) -> [String] {
        names.compactMap { HTTPField.Name($0) }.flatMap { fields[values: $0] }.filter { !$0.isEmpty }
    }

    /// A header's name may hold less than a key: the rest is percent-encoded. A broken one stays as it is.
    private static func unescaped(_ text: String) -> String { PercentText.decoded(text[...]) ?? text }
}

/// Why the ConfigMap can't be used.
struct UnreadableSettings: Error, CustomStringConvertible {
    /// The sentence.
    var description: String
}

/// Percent-encoded text.
package enum PercentText {
    /// The decoded text; `nil` for broken percent signs or bytes that aren't UTF-8.
    package static func decoded(_ text: Substring, plusIsSpace: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, let high = Character(Unicode.Scalar(digits[digits.startIndex])).hexDigitValue,
                let low = Character(Unicode.Scalar(digits[digits.index(after: digits.startIndex)])).hexDigitValue
            else { return nil }
            bytes.append(UInt8(high * 16 + low))
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
