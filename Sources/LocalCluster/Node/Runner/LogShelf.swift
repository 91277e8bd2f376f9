// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import KubeModel
import KubeServer
import Synchronization

/// The logs of every container on the node: of its present instance and of the one before.
final class LogShelf: PodLogSource {
    private struct Place: Hashable {
        var pod: String
        var container: String
    }

    private let shelves = Mutex<[Place: (current: ContainerLog, previous: ContainerLog?)]>([:])

    /// A new log for an instance that starts.
    func open(pod uid: String, container: String, limit: Int, time: any TimeSource) -> ContainerLog {
        let log = ContainerLog(limit: limit, time: time)
        shelves.withLock { shelves in
            let place = Place(pod: uid, container: container)
            shelves[place] = (log, shelves[place]?.current)
        }
        return log
    }

    /// Drops the logs of a pod that is gone.
    func remove(pod uid: String) { shelves.withLock { $0 = $0.filter { $0.key.pod != uid } } }

    /// The log that `kubectl logs` asks for.
    func log(_ request: PodLogRequest) async throws(APIStatus) -> StreamingBody {
        let place = Place(pod: request.pod.uid ?? "", container: request.container)
        let shelf = shelves.withLock { $0[place] }
        let previous = Self.isBetweenInstances(request) ? shelf?.current : shelf?.previous
        guard let log = request.previous ? previous : shelf?.current else {
            let what = request.previous ? "previous terminated container" : "container"
            throw APIStatus(
                code: 400,
                reason: "BadRequest",
                message: request.previous
                    ? "\(what) \"\(request.container)\" in pod \"\(request.pod.name)\" not found"
                    : "\(what) \"\(request.container)\" in pod \"\(request.pod.name)\" is waiting to start: "
                        + Self.waitingReason(request)
            )
        }
        return StreamingBody(LogReader(log: log, request: request))
    }

    private static func status(_ request: PodLogRequest) -> JSONValue? {
        let statuses = request.pod["status"]
        return ["containerStatuses", "initContainerStatuses"].lazy.flatMap { statuses?[$0]?.array ?? [] }
            .first { $0["name"]?.string == request.container }
    }

    /// Whether the container waits for its next start: its last instance is the current and the previous one, then.
    private static func isBetweenInstances(_ request: PodLogRequest) -> Bool {
        let own = status(request)
        return own?.at("state", "waiting") != nil && own?.at("lastState", "terminated") != nil
    }

    private static func waitingReason(_ request: PodLogRequest) -> String {
        switch status(request)?.at("state", "waiting", "reason")?.string ?? "ContainerCreating" {
        case "ErrImagePull": "image can't be pulled"
        case "ImagePullBackOff": "trying and failing to pull image"
        case let reason: reason
        }
    }
}

/// Reads a log as text, as it grows where that is asked for.
private struct LogReader: AsyncSequence, Sendable {
    typealias Element = [UInt8]

    let log: ContainerLog
    let request: PodLogRequest

    func makeAsyncIterator() -> Iterator { Iterator(log: log, request: request) }

    struct Iterator: AsyncIteratorProtocol {
        let log: ContainerLog
        let request: PodLogRequest
        private var index: Int?
        private var left: Int

        init(log: ContainerLog, request: PodLogRequest) {
            self.log = log
            self.request = request
            left = request.limitBytes ?? .max
        }

        mutating func next() async throws -> [UInt8]? {
            while left > 0, !Task.isCancelled {
                let (lines, next, isClosed) = log.lines(from: index ?? 0)
                var wanted = lines.filter { line in request.since.map { line.time >= $0 } ?? true }[...]
                if index == nil, let tail = request.tailLines { wanted = wanted.suffix(Swift.max(0, tail)) }
                let isFirst = index == nil
                index = next
                var text: [UInt8] = []
                for line in wanted {
                    if request.timestamps { text += Array((line.time.rfc3339Micro + " ").utf8) }
                    text += line.bytes + [0x0a]
                    if text.count >= left { break }
                }
                if text.count > left { text.removeLast(text.count - left) }
                left -= text.count
                if !text.isEmpty { return text }
                if !request.follow || isClosed && !isFirst { return nil }
                if isClosed { continue }
                await log.waitForLines(from: next)
            }
            return nil
        }
    }
}
