// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension WallTime: Codable {
    /// Reads an RFC 3339 time.
    /// - Throws: `DecodingError.dataCorrupted` where the text isn't one.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let time = WallTime(rfc3339: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\"\(text)\" is no RFC 3339 time")
        }
        self = time
    }

    /// Writes RFC 3339 with microseconds, as `metav1.MicroTime`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rfc3339Micro)
    }
}
