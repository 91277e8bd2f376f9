// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// Puts the header lines that libcurl hands out one by one together to a response's head.
struct ResponseHeadParser: Sendable {
    /// What a line led to.
    enum OnLine: Sendable, Equatable {
        /// More lines are to come.
        case more
        /// The head is complete.
        case head(HTTPResponse)
        /// The lines are no head, or larger than `maximumBytes`.
        case invalid
    }

    /// The largest head in bytes; Go's server, and so Kubernetes', accepts as much in a request.
    static let maximumBytes = 1 << 20

    /// Whether the response came over HTTP/2, and its connection may carry others.
    private(set) var isMultiplexed = false

    private var response: HTTPResponse?
    private var isDone = false
    private var size = 0

    /// Takes one line with its line ending.
    mutating func consume(_ line: some Collection<UInt8>) -> OnLine {
        if isDone { return .more }  // Trailers; nobody asks for them yet.
        size += line.count
        guard size <= Self.maximumBytes else { return .invalid }
        let text = Self.trimmed(Array(line)[...])
        if text.starts(with: "HTTP/".utf8) {
            guard let status = Self.status(text) else { return .invalid }
            response = HTTPResponse(status: status)
            isMultiplexed = text.starts(with: "HTTP/2".utf8)
            return .more
        }
        guard response != nil else { return .invalid }
        if text.isEmpty { return endOfBlock() }
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else { return .more }
        let name = String(decoding: text[..<colon], as: UTF8.self)
        guard let fieldName = HTTPField.Name(name) else { return .more }
        let value = String(decoding: Self.trimmed(text[text.index(after: colon)...]), as: UTF8.self)
        response?.headerFields.append(HTTPField(name: fieldName, value: value))
        return .more
    }

    private mutating func endOfBlock() -> OnLine {
        guard let response else { return .invalid }
        if response.status.kind == .informational {
            self.response = nil
            return .more
        }
        isDone = true
        return .head(response)
    }

    private static func status(_ line: some Collection<UInt8>) -> HTTPResponse.Status? {
        let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard words.count >= 2, let code = Int(String(decoding: words[1], as: UTF8.self)), (100...999).contains(code)
        else { return nil }
        return HTTPResponse.Status(code: code)
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = bytes
        while let first = rest.first, isSpace(first) { rest = rest.dropFirst() }
        while let last = rest.last, isSpace(last) { rest = rest.dropLast() }
        return rest
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
}
