// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Where a paged list goes on, and in which state of the store: what `continue` carries.
struct ContinueToken: Sendable, Equatable {
    /// The revision of the first page; `anyRevision` for whatever the state is.
    var revision: Int64
    /// The key of the last object of the page before, as the text `namespace/name`.
    var last: String

    /// What stands for the present state: the rest of a list whose first state is forgotten.
    static let anyRevision: Int64 = -1

    /// As the client sees it: JSON in base64url.
    var text: String {
        let json: JSONValue = [
            "v": "meta.k8s.io/v1", "rv": .integer(revision), "start": .string(last + "\u{0}"),
        ]
        return Base64URL.encoded(json.encoded())
    }

    /// A token for the page after `revision` and `last`.
    init(revision: Int64, last: String) {
        self.revision = revision
        self.last = last
    }

    /// Reads a token.
    init(parsing text: String) throws(APIStatus) {
        guard let bytes = Base64URL.decoded(text) else {
            throw .badRequest("invalid continue token: continue key is not valid: illegal base64 data")
        }
        let json: JSONValue
        do { json = try JSONValue(parsing: bytes) } catch {
            throw .badRequest("invalid continue token: continue key is not valid: \(GoWording.text(error, bytes))")
        }
        guard json["v"]?.string == "meta.k8s.io/v1", let revision = json["rv"]?.integer,
            let start = json["start"]?.string
        else {
            throw .badRequest(
                "invalid continue token: continue key is not valid: server does not recognize this encoded version"
            )
        }
        guard revision > 0 || revision == Self.anyRevision else {
            throw .badRequest(
                "invalid continue token: continue key is not valid: incorrect encoded start resourceVersion "
                    + "(version meta.k8s.io/v1)"
            )
        }
        self.revision = revision
        last = String(start.prefix { $0 != "\u{0}" })
    }
}

/// Base64 with the alphabet for URLs and without padding (RFC 4648, section 5).
enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// The text of bytes.
    static func encoded(_ bytes: [UInt8]) -> String {
        var result: [UInt8] = []
        var buffer: UInt32 = 0
        var bits: UInt32 = 0
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                result.append(alphabet[Int(buffer >> bits & 63)])
            }
        }
        if bits > 0 { result.append(alphabet[Int(buffer << (6 - bits) & 63)]) }
        return String(decoding: result, as: UTF8.self)
    }

    /// The text of bytes in the usual alphabet, padded.
    static func standard(_ bytes: [UInt8]) -> String {
        let text = encoded(bytes).map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }
        return String(text) + String(repeating: "=", count: (4 - text.count % 4) % 4)
    }

    /// The bytes of a text; `nil` when it isn't base64url.
    static func decoded(_ text: String) -> [UInt8]? {
        var result: [UInt8] = []
        var buffer: UInt32 = 0
        var bits: UInt32 = 0
        for byte in text.utf8 {
            guard let value = alphabet.firstIndex(of: byte) else { return nil }
            buffer = buffer << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                result.append(UInt8(truncatingIfNeeded: buffer >> bits))
            }
        }
        return result
    }
}
