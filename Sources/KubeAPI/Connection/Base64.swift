// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Base64 as kubeconfigs and secrets use it (RFC 4648, section 4).
enum Base64 {
    /// The text of `bytes`.
    static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    /// The bytes of a text, white space allowed; `nil` when it isn't Base64.
    static func decode(_ text: String) -> [UInt8]? {
        Data(base64Encoded: text.filter { !$0.isWhitespace }).map { [UInt8]($0) }
    }
}
