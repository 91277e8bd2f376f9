// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A body: a sequence of byte chunks, whole or still arriving. A stream may be read once; whole bytes any number of times.
public struct StreamingBody: AsyncSequence, Sendable {
    /// One chunk.
    public typealias Element = [UInt8]

    private enum Storage: Sendable {
        case bytes([UInt8])
        case stream(@Sendable () -> AsyncIterator)
    }

    private let storage: Storage

    /// The body without a byte.
    public static let empty = StreamingBody([])

    /// A body that is already whole.
    public init(_ bytes: [UInt8]) { storage = .bytes(bytes) }

    /// A body that is read from `source`. Dropping the iterator must end whatever feeds the source.
    public init<Source: AsyncSequence & Sendable>(_ source: Source) where Source.Element == [UInt8] {
        storage = .stream {
            let box = IteratorBox(source.makeAsyncIterator())
            return AsyncIterator { try await box.next() }
        }
    }

    /// The bytes when the body is already whole; `nil` for a stream.
    public var wholeBytes: [UInt8]? {
        if case .bytes(let bytes) = storage { bytes } else { nil }
    }

    /// Starts reading.
    public func makeAsyncIterator() -> AsyncIterator {
        switch storage {
        case .stream(let make): return make()
        case .bytes(let bytes):
            var rest: [UInt8]? = bytes.isEmpty ? nil : bytes
            return AsyncIterator {
                defer { rest = nil }
                return rest
            }
        }
    }

    /// Reads everything.
    /// - Throws: `BodyTooLarge` once more than `limit` bytes have arrived; what the stream throws.
    public func collect(upTo limit: Int) async throws -> [UInt8] {
        if case .bytes(let bytes) = storage {
            guard bytes.count <= limit else { throw BodyTooLarge(limit: limit) }
            return bytes
        }
        var all: [UInt8] = []
        for try await chunk in self {
            guard all.count + chunk.count <= limit else { throw BodyTooLarge(limit: limit) }
            all += chunk
        }
        return all
    }

    /// Reads the chunks of one body.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let step: () async throws -> [UInt8]?

        init(_ step: @escaping () async throws -> [UInt8]?) { self.step = step }

        /// The next chunk, never empty by contract of the sources; `nil` at the end.
        public mutating func next() async throws -> [UInt8]? { try await step() }
    }
}

/// Keeps a generic iterator behind one closure.
private final class IteratorBox<Iterator: AsyncIteratorProtocol> where Iterator.Element == [UInt8] {
    private var iterator: Iterator

    init(_ iterator: Iterator) { self.iterator = iterator }

    func next() async throws -> [UInt8]? { try await iterator.next(isolation: #isolation) }
}

/// A body was larger than its reader accepts.
public struct BodyTooLarge: Error, Equatable, CustomStringConvertible {
    /// The largest accepted size in bytes.
    public var limit: Int

    /// An error for a limit.
    public init(limit: Int) { self.limit = limit }

    /// Says the limit.
    public var description: String { "the body is larger than the limit of \(limit) bytes" }
}
