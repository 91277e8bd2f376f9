// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import NIOCore
import NIOPosix

/// Asks probes and runs hooks.
struct Prober: Sendable {
    /// How a question or a hook went.
    enum Answer: Sendable, Hashable {
        /// Well.
        case passed
        /// The container, or its command, said no; why.
        case failed(String)
        /// It couldn't be asked, which says nothing about the container; why.
        case unknown(String)

        /// What was wrong; `nil` when it passed.
        var wrong: String? {
            switch self {
            case .passed: nil
            case .failed(let message), .unknown(let message): message
            }
        }

        /// What a probe's answer is for the pod.
        func input(_ container: String, _ instance: Int, _ kind: ProbeKind) -> PodInput {
            if case .unknown(let message) = self {
                return .unanswered(container: container, instance: instance, kind, message: message)
            }
            return .probed(
                container: container,
                instance: instance,
                kind,
                passed: self == .passed,
                message: wrong ?? ""
            )
        }
    }

    /// Who carries HTTP requests; without one `httpGet` fails with a message.
    let exchange: (any HTTPExchange)?
    /// Who starts the processes of `exec`.
    let processes: any PodProcessSpawner
    /// Where time comes from.
    let time: any TimeSource

    /// Performs a handler (`httpGet`, `tcpSocket`, `exec`, `sleep`).
    ///
    /// - Parameters:
    ///   - command: what the container was started with, for `exec`; `nil` where it doesn't run.
    ///   - isProbe: whether `$(NAME)` in a command stands for a variable, which it doesn't in hooks.
    func perform(
        _ handler: JSONValue,
        container: JSONValue,
        address: String,
        timeout: Duration,
        command: ProcessRequest?,
        isProbe: Bool = true
    ) async -> Answer {
        if let get = handler["httpGet"], get.object != nil {
            return await httpGet(get, container: container, address: address, timeout: timeout)
        }
        if let socket = handler["tcpSocket"], socket.object != nil {
            return await tcpSocket(socket, container: container, address: address, timeout: timeout)
        }
        if let words = words(of: handler, container, isProbe: isProbe), let first = words.first {
            guard var request = command else { return .unknown("the container isn't running") }
            request.executable =
                first.contains("/")
                ? first : ExecutableSearch.path(of: first, in: request.environment["PATH"] ?? "") ?? first
            request.arguments = Array(words.dropFirst())
            return await exec(request, timeout: timeout)
        }
        if let seconds = handler.at("sleep", "seconds")?.int {
            do {
                try await time.sleep(for: .seconds(max(0, seconds)))
                return .passed
            } catch {
                return .unknown("the sleep was cut short")
            }
        }
        return .unknown("the handler names no httpGet, tcpSocket or exec")
    }

    /// The words of an `exec` handler. As in the kubelet, only what `env` gives as a plain value is put in for `$(NAME)`;
    /// a variable with `valueFrom` counts as empty.
    private func words(of handler: JSONValue, _ container: JSONValue, isProbe: Bool) -> [String]? {
        let words = handler.at("exec", "command")?.array?.compactMap(\.string)
        guard isProbe else { return words }
        var variables: [String: String] = [:]
        for entry in container["env"]?.array ?? [] {
            if let name = entry["name"]?.string { variables[name] = entry["value"]?.string ?? "" }
        }
        return words?.map { ContainerCommand.expand($0, variables) }
    }

    /// The number of a port given by number or name.
    static func port(_ value: JSONValue?, container: JSONValue) -> Int? {
        if let number = value?.int { return number }
        guard let name = value?.string else { return nil }
        if let number = Int(name) { return number }
        return (container["ports"]?.array ?? []).first { $0["name"]?.string == name }?["containerPort"]?.int
    }

    private func httpGet(
        _ get: JSONValue,
        container: JSONValue,
        address: String,
        timeout: Duration
    ) async -> Answer {
        guard let exchange else {
            return .failed("the local cluster was started without an HTTP client for probes")
        }
        guard let port = Self.port(get["port"], container: container) else {
            return .unknown("the port isn't known")
        }
        let host = get["host"]?.string ?? address
        let path = get["path"]?.string ?? "/"
        var fields = HTTPFields()
        fields[.userAgent] = "kube-probe/local"
        for header in get["httpHeaders"]?.array ?? [] {
            if let name = header["name"]?.string.flatMap({ HTTPField.Name($0) }) {
                fields[name] = header["value"]?.string
            }
        }
        let scheme = (get["scheme"]?.string ?? "HTTP").lowercased()
        let head = HTTPRequest(
            method: .get,
            scheme: scheme,
            authority: "\(host):\(port)",
            path: path.hasPrefix("/") ? path : "/" + path,
            headerFields: fields
        )
        do {
            let request = HTTPRequestMessage(head: head, timeout: timeout, maximumResponseBytes: 1 << 20)
            let response = try await exchange.exchange(request)
            _ = try? await response.body.collect(upTo: 1 << 20)
            let code = response.head.status.code
            return (200..<400).contains(code) ? .passed : .failed("HTTP probe failed with statuscode: \(code)")
        } catch {
            return .failed("Get \"\(scheme)://\(host):\(port)\(path)\": \(error)")
        }
    }

    private func tcpSocket(
        _ socket: JSONValue,
        container: JSONValue,
        address: String,
        timeout: Duration
    ) async -> Answer {
        guard let port = Self.port(socket["port"], container: container) else {
            return .unknown("the port isn't known")
        }
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.nanoseconds(timeout.wholeNanoseconds))
                .connect(host: socket["host"]?.string ?? address, port: port).get()
            try? await channel.close()
            return .passed
        } catch {
            return .failed("dial tcp \(address):\(port): \(error)")
        }
    }

    private func exec(_ request: ProcessRequest, timeout: Duration) async -> Answer {
        let log = ContainerLog(limit: 4096, time: time)
        let process: any PodProcess
        do {
            process = try await processes.spawn(request) { log.append($0) }
        } catch {
            return .unknown("\(error)")
        }
        return await withTaskGroup(of: Answer.self) { group in
            group.addTask {
                let exit = await process.waitForExit()
                log.close()
                if exit.exitCode == 0 { return .passed }
                let text = log.lines(from: 0).lines.map { String(decoding: $0.bytes, as: UTF8.self) }
                let output = text.joined(separator: " ").prefix(1024)
                return .failed("command exited with code \(exit.exitCode): \(output)")
            }
            group.addTask { [time] in
                try? await time.sleep(for: timeout)
                return .failed("command timed out after \(timeout.components.seconds)s")
            }
            let first = await group.next() ?? .unknown("it was cut short")
            process.send(.kill)
            group.cancelAll()
            return first
        }
    }
}
