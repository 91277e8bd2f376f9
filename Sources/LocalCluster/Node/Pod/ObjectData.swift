// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel

/// Reads the entries of config maps and secrets.
enum ObjectData {
    /// The entries as bytes: `data` (base64 in a secret) and `binaryData`.
    static func bytes(of object: KubeObject) -> [String: [UInt8]] {
        var entries: [String: [UInt8]] = [:]
        for (key, value) in object.json["data"]?.object ?? JSONObject() {
            guard let text = value.string else { continue }
            entries[key] =
                object.kind == "Secret" ? Data(base64Encoded: text).map { Array($0) } ?? [] : Array(text.utf8)
        }
        for (key, value) in object.json["binaryData"]?.object ?? JSONObject() {
            entries[key] = value.string.flatMap { Data(base64Encoded: $0) }.map { Array($0) }
        }
        return entries
    }

    /// The entries as texts.
    static func texts(of object: KubeObject) -> [String: String] {
        bytes(of: object).mapValues { String(decoding: $0, as: UTF8.self) }
    }
}
