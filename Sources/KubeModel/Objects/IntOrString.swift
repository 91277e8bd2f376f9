// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A number, or a text such as `25%` or the name of a port.
public enum IntOrString: Sendable, Hashable, CustomStringConvertible {
    /// A number.
    case int(Int)
    /// A text.
    case string(String)

    /// Reads a number or a text; `nil` for anything else.
    public init?(_ json: JSONValue?) {
        switch json {
        case .string(let text): self = .string(text)
        case .some(let value):
            guard let number = value.int else { return nil }
            self = .int(number)
        case nil: return nil
        }
    }

    /// The value as JSON.
    public var json: JSONValue {
        switch self {
        case .int(let number): JSONValue(number)
        case .string(let text): .string(text)
        }
    }

    /// The number, or the percentage of `total`; `nil` for a text that isn't a percentage of 0 or more.
    ///
    /// | value | total | rounding up | rounding down |
    /// | --- | --- | --- | --- |
    /// | 3 | any | 3 | 3 |
    /// | 25% | 10 | 3 | 2 |
    /// | 0% | 10 | 0 | 0 |
    public func scaled(of total: Int, roundingUp: Bool) -> Int? {
        switch self {
        case .int(let number): return number
        case .string(let text):
            guard text.hasSuffix("%"), let percent = Int(text.dropLast()), percent >= 0 else { return nil }
            let (product, overflow) = percent.multipliedReportingOverflow(by: total)
            guard !overflow else { return nil }
            let quotient = product / 100
            return roundingUp && product % 100 > 0 ? quotient + 1 : quotient
        }
    }

    /// The number or the text.
    public var description: String {
        switch self {
        case .int(let number): String(number)
        case .string(let text): text
        }
    }
}

extension IntOrString: Codable {
    /// Decodes a number or a text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int.self) {
            self = .int(number)
        } else {
            self = .string(try container.decode(String.self))
        }
    }

    /// Encodes the number or the text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .int(let number): try container.encode(number)
        case .string(let text): try container.encode(text)
        }
    }
}
