// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel

/// Answers `pods/log` from the node's logs.
struct PodLogHandler: Sendable {
    /// The state of the server.
    let state: StateBox
    /// Who keeps the logs.
    let source: (any PodLogSource)?

    /// The log that a request asks for, as a stream.
    func answer(
        _ request: ServerRequest,
        _ key: ObjectKey,
        _ resource: APIResource
    ) async throws(APIStatus) -> ServerAnswer {
        // As in the real server: what is wrong with the question comes before what is wrong with the pod.
        let query = request.query
        let options = try Options(query, pod: key.name)
        let pod = try state.with { state throws(APIStatus) in try state.object(resource, key) }
        let container = try container(query["container"] ?? "", pod)
        // A pod that has no node yet has no log, which isn't an error.
        guard pod["spec", "nodeName"]?.string?.isEmpty == false else {
            return ServerAnswer(text: "", status: .noContent)
        }
        guard let source else { throw .notImplemented("the log of pods, as no node runs them,") }
        var wanted = PodLogRequest(pod: pod, container: container)
        wanted.follow = query.flag("follow")
        wanted.previous = query.flag("previous")
        wanted.timestamps = query.flag("timestamps")
        wanted.tailLines = options.tailLines
        wanted.limitBytes = options.limitBytes
        wanted.since =
            options.since
            ?? options.sinceSeconds.map { seconds in
                state.with { $0.configuration.time.now() } - .seconds(seconds)
            }
        return ServerAnswer(stream: try await source.log(wanted), contentType: "text/plain")
    }

    /// The container that is asked for, or the only one. Which of several is the default one (an annotation says so)
    /// `kubectl` finds out itself.
    private func container(_ name: String, _ pod: KubeObject) throws(APIStatus) -> String {
        func names(_ list: String) -> [String] { (pod["spec", list]?.array ?? []).compactMap { $0["name"]?.string } }
        let all = ["initContainers", "containers", "ephemeralContainers"].flatMap(names)
        guard name.isEmpty else {
            if all.contains(name) { return name }
            throw .badRequest("container \(name) is not valid for pod \(pod.name)")
        }
        let containers = names("containers")
        if containers.count == 1 { return containers[0] }
        throw .badRequest(
            "a container name must be specified for pod \(pod.name), choose one of: [\(all.joined(separator: " "))]"
        )
    }
}

extension PodLogHandler {
    /// How much of a log is wanted.
    private struct Options {
        /// Only the last so many lines.
        var tailLines: Int?
        /// Only the first so many bytes.
        var limitBytes: Int?
        /// Only lines of the last so many seconds.
        var sinceSeconds: Int64?
        /// Only lines written since.
        var since: WallTime?

        /// Reads and checks the query.
        init(_ query: QueryItems, pod name: String) throws(APIStatus) {
            let tail = try query.number("tailLines")
            let limit = try query.number("limitBytes")
            sinceSeconds = try query.number("sinceSeconds")
            tailLines = tail.map { Int(clamping: $0) }
            limitBytes = limit.map { Int(clamping: $0) }
            if let text = query["sinceTime"], !text.isEmpty {
                since = WallTime(rfc3339: text)
                guard since != nil else {
                    throw .badRequest(
                        "parsing time \"\(text)\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\(text)\" as \"2006\""
                    )
                }
            }
            var causes: [APIStatus.Cause] = []
            func check(_ field: String, _ number: Int64?, _ why: String, _ isRight: (Int64) -> Bool) {
                guard let number, !isRight(number) else { return }
                causes.append(.invalid(field, .integer(number), "must be greater than \(why)"))
            }
            check("tailLines", tail, "or equal to 0") { $0 >= 0 }
            check("limitBytes", limit, "0") { $0 > 0 }
            if sinceSeconds != nil, since != nil {
                causes.append(.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
            } else {
                check("sinceSeconds", sinceSeconds, "0") { $0 > 0 }
            }
            if !causes.isEmpty { throw .invalid(group: "", kind: "PodLogOptions", name: name, causes: causes) }
        }
    }
}
