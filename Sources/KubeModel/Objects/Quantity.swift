// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// An amount as Kubernetes writes it (`resource.Quantity`): `500m`, `1.5Gi`, `2e3`. Exact, down to 1 n (10⁻⁹).
///
/// | text | value | canonical |
/// | --- | --- | --- |
/// | `0.5` | 1/2 | `500m` |
/// | `1024Mi` | 2³⁰ | `1Gi` |
/// | `1.5Gi` | 1.5 · 2³⁰ | `1536Mi` |
/// | `1000k` | 10⁶ | `1M` |
/// | `12e6` | 12 · 10⁶ | `12e6` |
/// | `0.1n` | rounded up | `1n` |
///
/// Amounts beyond ±(2⁶³ - 1) are cut to that, as the API server does.
public struct Quantity: Sendable, Hashable, CustomStringConvertible {
    /// How a quantity is written.
    public enum Format: Sendable, Hashable {
        /// `k`, `M`, `G`: powers of 1000.
        case decimal
        /// `Ki`, `Mi`, `Gi`: powers of 1024.
        case binary
        /// `e3`, `e6`.
        case exponent
    }

    /// The amount in 10⁻⁹.
    let nanos: Int128
    /// How it is written; it plays no part in comparing.
    public let format: Format

    static let unit: Int128 = 1_000_000_000
    static let largest = Int128(Int64.max) * unit

    init(nanos: Int128, format: Format) {
        self.nanos = min(Self.largest, max(-Self.largest, nanos))
        self.format = format
    }

    /// A whole amount.
    public init(_ value: Int64, format: Format = .decimal) {
        self.init(nanos: Int128(value) * Self.unit, format: format)
    }

    /// An amount of thousandths: `Quantity(milli: 500)` is `500m`.
    public init(milli: Int64) { self.init(nanos: Int128(milli) * 1_000_000, format: .decimal) }

    /// Reads a text or a number; `nil` when it is no quantity.
    public init?(_ json: JSONValue?) {
        switch json {
        case .string(let text): self.init(text)
        case .some(.integer(let value)): self.init(value)
        case .some(.double(let value)): self.init(value.description)
        default: return nil
        }
    }

    /// The amount, rounded up to a whole number (as `Quantity.Value()`).
    public var value: Int64 { Int64(clamping: Self.roundedUp(nanos, Self.unit)) }

    /// The amount in thousandths, rounded up (as `Quantity.MilliValue()`).
    public var milliValue: Int64 { Int64(clamping: Self.roundedUp(nanos, 1_000_000)) }

    /// The amount as a floating-point number.
    public var double: Double { Double(nanos) / 1e9 }

    /// How often `divisor`, which isn't 0, goes into the amount: rounded up, and cut to what an `Int64` holds.
    public func count(of divisor: Quantity) -> Int64 { Int64(clamping: Self.roundedUp(nanos, divisor.nanos)) }

    /// Divides away from zero, as Kubernetes rounds.
    static func roundedUp(_ number: Int128, _ divisor: Int128) -> Int128 {
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
        return remainder == 0 ? quotient : quotient + (number < 0 ? -1 : 1)
    }

    /// Whether both are the same amount, however written.
    public static func == (left: Quantity, right: Quantity) -> Bool { left.nanos == right.nanos }

    /// Hashes the amount.
    public func hash(into hasher: inout Hasher) { hasher.combine(nanos) }

    /// The sum, in the left one's format (the right one's where the left is 0).
    public static func + (left: Quantity, right: Quantity) -> Quantity {
        Quantity(nanos: left.nanos + right.nanos, format: left.nanos == 0 ? right.format : left.format)
    }

    /// The difference, in the left one's format.
    public static func - (left: Quantity, right: Quantity) -> Quantity {
        Quantity(nanos: left.nanos - right.nanos, format: left.nanos == 0 ? right.format : left.format)
    }
}

extension Quantity: Comparable {
    /// The smaller amount.
    public static func < (left: Quantity, right: Quantity) -> Bool { left.nanos < right.nanos }
}

extension Quantity: Codable {
    /// Decodes a text or a number.
    public init(from decoder: any Decoder) throws {
        let json = try JSONValue(from: decoder)
        guard let quantity = Quantity(json) else {
            throw JSONDecodingError(
                path: decoder.codingPath,
                "\(json.jsonText) is no quantity; write for example 500m, 2 or 1.5Gi"
            )
        }
        self = quantity
    }

    /// Encodes the canonical text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
