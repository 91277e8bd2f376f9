// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes
public import KubeModel

/// One name and value of a query.
public struct QueryItem: Sendable, Hashable {
    /// The name.
    public var name: String
    /// The value, not yet percent-encoded.
    public var value: String

    /// An item.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

extension [QueryItem] {
    /// Appends an item unless the value is `nil` or empty.
    mutating func add(_ name: String, _ value: String?) {
        if let value, !value.isEmpty { append(QueryItem(name, value)) }
    }
}

/// A request to the API as a value: what is sent, before there is a connection.
public struct KubeRequest: Sendable, Hashable {
    /// The API verb, for errors: `get`, `list`, `watch`, `create`, `update`, `patch`, `apply`, `delete`.
    public var verb: String
    /// The HTTP method.
    public var method: HTTPRequest.Method
    /// The path, not yet percent-encoded.
    public var path: String
    /// The query, in the order that it is sent.
    public var query: [QueryItem]
    /// The body's content type, where there is a body.
    public var contentType: String?
    /// The body.
    public var body: JSONValue?
    /// The resource, as errors name it: `deployments.apps`.
    public var resource: String
    /// The object, where the request is about one.
    public var key: ObjectKey?

    /// A request.
    public init(
        verb: String,
        method: HTTPRequest.Method,
        path: String,
        query: [QueryItem] = [],
        contentType: String? = nil,
        body: JSONValue? = nil,
        resource: String = "",
        key: ObjectKey? = nil
    ) {
        self.verb = verb
        self.method = method
        self.path = path
        self.query = query
        self.contentType = contentType
        self.body = body
        self.resource = resource
        self.key = key
    }

    /// Whether sending it twice does no more than sending it once.
    public var isRead: Bool { method == .get || method == .head }

    /// Path and query as they are sent, percent-encoded (RFC 3986).
    public var target: String {
        let path = PercentEncoding.path(path)
        guard !query.isEmpty else { return path }
        let items = query.map { "\(PercentEncoding.component($0.name))=\(PercentEncoding.component($0.value))" }
        return path + "?" + items.joined(separator: "&")
    }
}

/// Percent-encoding of paths and query components (RFC 3986, section 2).
public enum PercentEncoding {
    /// Encodes everything but unreserved characters.
    public static func component(_ text: String) -> String { encode(text, keeping: "-._~") }

    /// Encodes everything that may not stand in a path; slashes stay.
    public static func path(_ text: String) -> String { encode(text, keeping: "-._~/:@!$&'()*+,;=") }

    private static func encode(_ text: String, keeping others: StaticString) -> String {
        let kept = Array("\(others)".utf8)
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                bytes.append(byte)
            case _ where kept.contains(byte): bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
