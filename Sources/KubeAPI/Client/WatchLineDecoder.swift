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
    private var rest: [UInt8] = []

    /// A decoder that refuses lines beyond `maximumLineBytes`; an object in etcd has at most about 1.5 MB.
    public init(maximumLineBytes: Int = 16 << 20) { self.maximumLineBytes = maximumLineBytes }

    /// Takes the next chunk, and answers the events that it completes.
    public mutating func push(_ chunk: [UInt8]) throws(Failure) -> [WatchEvent] {
        var events: [WatchEvent] = []
        var start = 0
        while let end = chunk[start...].firstIndex(of: 0x0a) {
            guard rest.count + (end - start) <= maximumLineBytes else {
                throw .lineTooLong(limit: maximumLineBytes)
            }
            let line = rest + chunk[start..<end]
            rest.removeAll(keepingCapacity: true)
            if let event = try Self.event(line) { events.append(event) }
            start = end + 1
        }
        guard rest.count + (chunk.count - start) <= maximumLineBytes else {
            throw .lineTooLong(limit: maximumLineBytes)
        }
        rest += chunk[start...]
        return events
    }

    /// The event of a last line without a line break; a half line is a cut stream and thrown away.
    public mutating func finish() -> WatchEvent? {
        defer { rest = [] }
        return try? Self.event(rest)
    }

    /// Reads one line; `nil` for an empty line or a type of event that is unknown.
    static func event(_ line: [UInt8]) throws(Failure) -> WatchEvent? {
        guard !line.allSatisfy({ $0 == 0x20 || $0 == 0x0d }) else { return nil }
        let json: JSONValue
        do { json = try JSONValue(parsing: line) } catch { throw .unreadable(error.description) }
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
