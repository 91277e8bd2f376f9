// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

extension PodDiagnosis {
    /// How long a pod may be unready before the model's condition explains it.
    static let patience = Duration.seconds(30)

    /// The time until the next of `pods` becomes late; `nil` when none can.
    static func nextLook(_ pods: [KubeObject], now: WallTime) -> Duration? {
        unready(pods).compactMap(unreadySince).map { patience - (now - $0) }.filter { $0 >= .zero }.min()
            .map { $0 + .seconds(1) }
    }

    /// What a pod waits for that has been unready for longer than `patience`; no text in it changes with time.
    static func lateness(_ pod: KubeObject, now: WallTime) -> PodFailure? {
        guard let since = unreadySince(pod), now - since > patience else { return nil }
        let space = pod.namespace.map { " -n \($0)" } ?? ""
        return PodFailure(
            reason: "PodNotReady",
            message: "pod \(pod.name) is not ready for more than \(Int(patience.inSeconds)) s: \(obstacle(pod)); "
                + "see `kubectl logs\(space) \(pod.name)` and `kubectl describe pod\(space) \(pod.name)`",
            isSlow: true
        )
    }

    private static func unreadySince(_ pod: KubeObject) -> WallTime? {
        let time = condition(pod, "Ready")?["lastTransitionTime"]?.string ?? pod["status", "startTime"]?.string
        return time.flatMap(WallTime.init(rfc3339:)) ?? pod.creationTimestamp
    }

    private static func obstacle(_ pod: KubeObject) -> String {
        let ready = condition(pod, "Ready")
        let said = [ready?["reason"]?.string, ready?["message"]?.string.map(lastLine)].compactMap(\.self)
            .filter { !$0.isEmpty }.joined(separator: ": ")
        let more = said.isEmpty ? "" : " (\(said))"
        let statuses = pod["status", "containerStatuses"]?.array ?? []
        guard let status = statuses.first(where: { $0["ready"]?.bool != true }) else {
            return "no container has started yet\(more)"
        }
        let name = status["name"]?.string ?? "?"
        if let waiting = status.at("state", "waiting") {
            let words = [waiting["reason"]?.string, waiting["message"]?.string.map(lastLine)].compactMap(\.self)
            return "container \(name) waits (\(words.joined(separator: ": ")))"
        }
        let spec = pod["spec", "containers"]?.array?.first { $0["name"]?.string == name }
        if status["started"]?.bool == false {
            let probe = describe(spec?["startupProbe"])
            return
                "the startup probe of container \(name)\(probe) has not succeeded yet, its model may still load\(more)"
        }
        return "Readiness probe failed: container \(name)\(describe(spec?["readinessProbe"]))\(more)"
    }

    /// What a probe asks, in brackets.
    private static func describe(_ probe: JSONValue?) -> String {
        func port(_ action: JSONValue) -> String {
            action["port"]?.string ?? action["port"]?.int.map { "\($0)" } ?? "?"
        }
        if let get = probe?["httpGet"] { return " [GET \(get["path"]?.string ?? "/") on port \(port(get))]" }
        if let socket = probe?["tcpSocket"] { return " [TCP on port \(port(socket))]" }
        if let call = probe?["grpc"] { return " [gRPC on port \(port(call))]" }
        let words = probe?.at("exec", "command")?.array?.compactMap(\.string) ?? []
        return words.isEmpty ? "" : " [\(words.joined(separator: " ").prefix(100))]"
    }
}
