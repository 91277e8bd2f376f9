// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

/// A response with its body, which may still be arriving.
public struct HTTPResponseMessage: Sendable {
    /// Status and header fields.
    public var head: HTTPResponse
    /// The body; may be read once.
    public var body: StreamingBody

    /// A response for `head`.
    public init(head: HTTPResponse, body: StreamingBody = .empty) {
        self.head = head
        self.body = body
    }

    /// A whole response with a content type.
    public init(status: HTTPResponse.Status, contentType: String, bytes: [UInt8]) {
        var fields = HTTPFields()
        fields[.contentType] = contentType
        self.init(head: HTTPResponse(status: status, headerFields: fields), body: StreamingBody(bytes))
    }

    /// A whole response of plain text.
    public init(status: HTTPResponse.Status, text: String) {
        self.init(status: status, contentType: "text/plain; charset=utf-8", bytes: Array(text.utf8))
    }
}
