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
    /// Who carries HTTP requests; without one `httpGet` fails with a message.
    let exchange: (any HTTPExchange)?
    /// Who starts the processes of `exec`.
    let processes: any PodProcessSpawner
    /// Where time comes from.
    let time: any TimeSource

    /// Performs a handler (`httpGet`, `tcpSocket`, `exec`, `sleep`): `nil` when it passed, else what was wrong.
    func perform(
        _ handler: JSONValue,
        container: JSONValue,
        address: String,
        timeout: Duration,
        command: ProcessRequest
    ) async -> String? {
        if let get = handler["httpGet"], get.object != nil {
            return await httpGet(get, container: container, address: address, timeout: timeout)
        }
        if let socket = handler["tcpSocket"], socket.object != nil {
            return await tcpSocket(socket, container: container, address: address, timeout: timeout)
        }
        if let words = handler.at("exec", "command")?.array?.compactMap(\.string), let first = words.first {
            var request = command
            request.executable =
                first.contains("/")
                ? first : ExecutableSearch.path(of: first, in: request.environment["PATH"] ?? "") ?? first
            request.arguments = Array(words.dropFirst())
            return await exec(request, timeout: timeout)
        }
        if let seconds = handler.at("sleep", "seconds")?.int {
            do { try await time.sleep(for: .seconds(max(0, seconds))) } catch { return "the sleep was cut short" }
            return nil
        }
        return "the handler names no httpGet, tcpSocket or exec"
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
    ) async -> String? {
        guard let exchange else { return "the local cluster was started without an HTTP client for probes" }
        guard let port = Self.port(get["port"], container: container) else { return "the port isn't known" }
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
            return (200..<400).contains(code) ? nil : "HTTP probe failed with statuscode: \(code)"
        } catch {
            return "Get \"\(scheme)://\(host):\(port)\(path)\": \(error)"
        }
    }

    private func tcpSocket(
        _ socket: JSONValue,
        container: JSONValue,
        address: String,
        timeout: Duration
    ) async -> String? {
        guard let port = Self.port(socket["port"], container: container) else { return "the port isn't known" }
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.nanoseconds(timeout.wholeNanoseconds))
                .connect(host: socket["host"]?.string ?? address, port: port).get()
            try? await channel.close()
            return nil
        } catch {
            return "dial tcp \(address):\(port): \(error)"
        }
    }

    private func exec(_ request: ProcessRequest, timeout: Duration) async -> String? {
        let log = ContainerLog(limit: 4096, time: time)
        let process: any PodProcess
        do {
            process = try await processes.spawn(request) { log.append($0) }
        } catch {
            return "\(error)"
        }
        return await withTaskGroup(of: String?.self) { group in
            group.addTask {
                let exit = await process.waitForExit()
                log.close()
                if exit.exitCode == 0 { return nil }
                let text = log.lines(from: 0).lines.map { String(decoding: $0.bytes, as: UTF8.self) }
                return "command exited with code \(exit.exitCode): \(text.joined(separator: " ").prefix(1024))"
            }
            group.addTask { [time] in
                try? await time.sleep(for: timeout)
                return "command timed out after \(timeout.components.seconds)s"
            }
            let first = await group.next() ?? nil
            process.send(.kill)
            group.cancelAll()
            return first
        }
    }
}
