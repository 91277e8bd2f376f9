// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension [UInt8] {
    /// Appends the bytes of a number in the machine's order.
    @inlinable
    public mutating func append(raw value: some BitwiseCopyable) {
        unsafe Swift.withUnsafeBytes(of: value) { unsafe append(contentsOf: $0) }
    }

    /// Reads the bytes as numbers of one type; a rest that is no whole number is left out.
    @inlinable
    public func elements<Number: BitwiseCopyable>(as type: Number.Type) -> [Number] {
        let stride = MemoryLayout<Number>.stride
        let count = self.count / stride
        return unsafe withUnsafeBytes { bytes in
            (0..<count).map { unsafe bytes.loadUnaligned(fromByteOffset: $0 * stride, as: type) }
        }
    }
}
