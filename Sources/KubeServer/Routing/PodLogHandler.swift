// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
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
        let pod = try state.with { state throws(APIStatus) in try state.object(resource, key) }
        guard let source else { throw .notImplemented("the log of pods, as no node runs them,") }
        var wanted = PodLogRequest(pod: pod, container: try container(request, pod))
        let query = request.query
        wanted.follow = query["follow"] == "true"
        wanted.previous = query["previous"] == "true"
        wanted.timestamps = query["timestamps"] == "true"
        wanted.tailLines = try number(query, "tailLines", atLeast: 0)
        wanted.limitBytes = try number(query, "limitBytes", atLeast: 1)
        if let seconds = try number(query, "sinceSeconds", atLeast: 1) {
            wanted.since = state.with { $0.configuration.time.now() } - .seconds(seconds)
        } else if let text = query["sinceTime"] {
            wanted.since = WallTime(rfc3339: text)
        }
        return ServerAnswer(stream: try await source.log(wanted), contentType: "text/plain")
    }

    private func container(_ request: ServerRequest, _ pod: KubeObject) throws(APIStatus) -> String {
        let names = (pod["spec", "containers"]?.array ?? []).compactMap { $0["name"]?.string }
        let initial = (pod["spec", "initContainers"]?.array ?? []).compactMap { $0["name"]?.string }
        if let name = request.query["container"], !name.isEmpty {
            if (names + initial).contains(name) { return name }
            throw .badRequest("container \(name) is not valid for pod \(pod.name)")
        }
        if let name = pod.annotations["kubectl.kubernetes.io/default-container"], names.contains(name) { return name }
        if names.count == 1, initial.isEmpty { return names[0] }
        let inits = initial.isEmpty ? "" : " or one of the init containers: [\(initial.joined(separator: " "))]"
        throw .badRequest(
            "a container name must be specified for pod \(pod.name), choose one of: "
                + "[\(names.joined(separator: " "))]\(inits)"
        )
    }

    private func number(_ query: QueryItems, _ name: String, atLeast least: Int) throws(APIStatus) -> Int? {
        guard let text = query[name], !text.isEmpty else { return nil }
        guard let number = Int(text), number >= least else {
            throw .invalidOptions(
                "PodLogOptions",
                [.invalid(name, .string(text), "must be greater than or equal to \(least)")]
            )
        }
        return number
    }
}
