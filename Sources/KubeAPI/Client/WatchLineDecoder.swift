// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// Cuts a watch's stream into lines and reads each as an event. Pure; chunks may be cut anywhere.
public struct WatchLineDecoder: Sendable {
    /// What is wrong with a stream.
    public enum Failure: Error, Hashable, CustomStringConvertible {
        /// A line is longer than the limit in bytes.
        case lineTooLong(limit: Int)
        /// A line isn't an event.
        case unreadable(String)

        /// One sentence.
        public var description: String {
            switch self {
            case .lineTooLong(let limit): "a watch event is larger than \(limit) bytes"
            case .unreadable(let reason): "a watch event can't be read: \(reason)"
            }
        }
    }

    private let maximumLineBytes: Int
    private let projection: JSONProjection
    private var rest: [UInt8] = []
    private var chunk: [UInt8] = []
    private var position = 0

    /// A decoder that refuses lines beyond `maximumLineBytes`; an object in etcd has at most about 1.5 MB. What
    /// `projection` drops of the objects isn't kept.
    public init(maximumLineBytes: Int = 16 << 20, projection: JSONProjection = .everything) {
        self.maximumLineBytes = maximumLineBytes
        self.projection = projection.below(["object"])
    }

    /// Takes the next chunk, and answers the events that it completes.
    public mutating func push(_ chunk: [UInt8]) throws(Failure) -> [WatchEvent] {
        feed(chunk)
        var events: [WatchEvent] = []
        while let event = try next() { events.append(event) }
        return events
    }

    /// Takes the next chunk; what `next()` hasn't answered of the one before is kept.
    mutating func feed(_ bytes: [UInt8]) {
        chunk = position < chunk.count ? chunk[position...] + bytes : bytes
        position = 0
    }

    /// The next event of what was fed; `nil` when its line isn't complete. One line is read at a time.
    mutating func next() throws(Failure) -> WatchEvent? {
        while position < chunk.count, let end = chunk[position...].firstIndex(of: 0x0a) {
            guard rest.count + (end - position) <= maximumLineBytes else {
                throw .lineTooLong(limit: maximumLineBytes)
            }
            let line = rest + chunk[position..<end]
            rest.removeAll(keepingCapacity: rest.capacity <= 64 << 10)
            position = end + 1
            if let event = try event(line) { return event }
        }
        guard rest.count + (chunk.count - position) <= maximumLineBytes else {
            throw .lineTooLong(limit: maximumLineBytes)
        }
        rest += chunk[position...]
        chunk = []
        position = 0
        return nil
    }

    /// The event of a last line without a line break; a half line is a cut stream and thrown away.
    public mutating func finish() -> WatchEvent? {
        defer { rest = [] }
        return try? event(rest)
    }

    /// Reads one line; `nil` for an empty line or a type of event that is unknown. A whole event whose object can't be read is one
    /// too: asked for again, it would come again.
    private func event(_ line: [UInt8]) throws(Failure) -> WatchEvent? {
        guard !line.allSatisfy({ $0 == 0x20 || $0 == 0x0d }) else { return nil }
        let json: JSONValue
        do { json = try JSONValue(parsing: line, projection: projection) } catch {
            guard let object = UnreadableObject(event: line, reason: error.description) else {
                throw .unreadable(error.description)
            }
            return .unreadable(object)
        }
        guard let type = json["type"]?.string, let object = json["object"] else {
            throw .unreadable("it has no type or no object")
        }
        switch type {
        case "ADDED": return .added(KubeObject(object))
        case "MODIFIED": return .modified(KubeObject(object))
        case "DELETED": return .deleted(KubeObject(object))
        case "BOOKMARK":
            let metadata = object["metadata"]
            let ends = metadata?.at("annotations", "k8s.io/initial-events-end")?.string == "true"
            return .bookmark(resourceVersion: metadata?["resourceVersion"]?.string ?? "", endsInitialList: ends)
        case "ERROR":
            let unknown = APIStatus(code: 500, reason: "InternalError", message: "unknown watch error")
            return .error(APIStatus(object) ?? unknown)
        default: return nil
        }
    }
}
