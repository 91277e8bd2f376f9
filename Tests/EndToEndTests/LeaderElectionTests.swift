// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import Foundation
import HTTPMessages
import HTTPServing
import HTTPTypes
import KubeAPI
import KubeModel
import KubeServer
import Logging
import Synchronization
import Testing

extension EndToEnd {
    @Suite("Two operators at once", .serialized)
    struct Leadership {
        @Test(
            "one that was stopped past its lease writes nothing once it wakes; one that ends releases its lease",
            .timeLimit(.minutes(2))
        )
        func fenced() async throws {
            try await AuditedServer.run { server in
                let first = try server.startOperator("first")
                _ = try await eventually(within: .seconds(30), "the first to lead", seen: { first.output }) {
                    try await server.holder()?.hasPrefix("first-") == true ? true : nil
                }
                try await server.add("early", count: 4)
                try await server.expect(.services, "early", count: 4)
                let second = try server.startOperator("second")

                // The first is stopped amid its work: its writes are on their way, and the server is slow.
                server.holdWrites(of: "first", about: "late")
                try await server.add("late", count: 4)
                _ = try await eventually(within: .seconds(20), "the first to be amid its work") {
                    server.heldCount >= 4 ? true : nil
                }
                first.send(SIGSTOP)
                _ = try await eventually(within: .seconds(30), "the second to lead", seen: { second.output }) {
                    try await server.holder()?.hasPrefix("second-") == true ? true : nil
                }
                server.mark()
                try await server.expect(.services, "late", count: 4)
                server.releaseWrites()
                first.send(SIGCONT)
                #expect(try await first.end(within: .seconds(30)) != 0, "it has lost its lease")
                #expect(server.writes(by: "first") == [], "after the second led")
                // It may have begun before its lead was seen.
                let seconds = server.writes(by: "second", sinceMark: false)
                #expect(seconds.contains { $0.contains("/deployments/late0-r1") })

                second.send(SIGTERM)
                #expect(try await second.end(within: .seconds(15)) == 0, "\(second.output)")
                #expect(try await server.holder()?.isEmpty == true)
            }
        }

        @Test("operators share the shards, and each gives its own back when it ends", .timeLimit(.minutes(2)))
        func sharded() async throws {
            try await AuditedServer.run { server in
                let arguments = ["--shards", "4"]
                let operators = try ["first", "second"].map { try server.startOperator($0, arguments) }
                _ = try await eventually(within: .seconds(40), "two shards for each", seen: { operators[0].output }) {
                    let holders = try await server.shardHolders()
                    return ["first-", "second-"].allSatisfy { name in
                        holders.filter { $0.hasPrefix(name) }.count == 2
                    } ? true : nil
                }
                server.mark()
                try await server.add("m", count: 16)
                try await server.expect(.services, "m", count: 16)
                for name in ["first", "second"] {
                    #expect(server.writes(by: name).contains { $0.contains("/services/m") })
                }
                operators[0].send(SIGTERM)
                #expect(try await operators[0].end(within: .seconds(15)) == 0, "\(operators[0].output)")
                _ = try await eventually(within: .seconds(20), "all shards with the second") {
                    try await server.shardHolders().allSatisfy { $0.hasPrefix("second-") } ? true : nil
                }
                await operators[1].stop()
            }
        }
    }
}

/// An API server in this process, on a socket, that knows which operator sent what.
private final class AuditedServer: Sendable {
    private struct State {
        var writes: [(operator: String, request: String)] = []
        var marked = 0
        var held: (operator: String, name: String)?
        var heldCount = 0
    }

    let client: KubeClient
    private let server = APIServer()
    private let folder: String
    private let port = Mutex<Int?>(nil)
    private let state = Mutex(State())

    private init(folder: String) {
        self.folder = folder
        client = KubeClient(exchange: server)
    }

    /// Starts one with the operator's kinds, hands it to `body`, and stops it.
    static func run(_ body: @Sendable @escaping (AuditedServer) async throws -> Void) async throws {
        let folder = try TestFolder()
        let audited = AuditedServer(folder: folder.path)
        for definition in FleetAPI.customResourceDefinitions {
            try await audited.client.create(.customResourceDefinitions, definition)
        }
        try await audited.client.create(.servingRuntimes, ServingRuntime.builtIn)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let front = HTTPService(
            exchange: ClosureExchange { try await audited.answer($0) },
            host: "127.0.0.1",
            port: 0,
            logger: logger
        ) { port in audited.port.withLock { $0 = port } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await front.run() }
            group.addTask {
                while audited.port.withLock({ $0 }) == nil { try await Task.sleep(for: .milliseconds(10)) }
                try await body(audited)
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Starts an operator with a short lease; its name is its token.
    func startOperator(_ name: String, _ arguments: [String] = []) throws -> ProgramRun {
        let kubeconfig = "\(folder)/\(name)"
        let text = """
            apiVersion: v1
            kind: Config
            current-context: c
            contexts: [{name: c, context: {cluster: c, user: u}}]
            clusters: [{name: c, cluster: {server: "http://127.0.0.1:\(port.withLock { $0 } ?? 0)"}}]
            users: [{name: u, user: {token: \(name)}}]
            """
        try text.write(toFile: kubeconfig, atomically: true, encoding: .utf8)
        return try ProgramRun(
            Programs.modelfleet(),
            [
                "operator", "--kubeconfig", kubeconfig, "--stop-with-parent", "--log-level", "info", "--leader-elect",
                "--lease-namespace", "default", "--leader-elect-lease-duration", "4s",
                "--leader-elect-renew-deadline", "3s", "--leader-elect-retry-period", "500ms",
            ] + arguments,
            folder: folder,
            environment: ["HOSTNAME": name]
        )
    }

    private func answer(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        let token = request.head.headerFields[.authorization].map { String($0.dropFirst("Bearer ".count)) } ?? ""
        let path = String(request.path)
        guard request.head.method != .get, !path.contains("/leases") else { return await server.exchange(request) }
        let arrival = ContinuousClock.now
        let isHeld = state.withLock { state in
            guard let held = state.held, held.operator == token, path.contains("/deployments/\(held.name)") else {
                return false
            }
            state.heldCount += 1
            return true
        }
        while isHeld, state.withLock({ $0.held != nil }) { try await Task.sleep(for: .milliseconds(10)) }
        // As the API server does: a request whose time is up isn't carried out.
        if let limit = Self.limit(of: request), ContinuousClock.now - arrival >= limit {
            return HTTPResponseMessage(status: .gatewayTimeout, text: "its time is up")
        }
        state.withLock { $0.writes.append((token, "\(request.head.method.rawValue) \(path)")) }
        return await server.exchange(request)
    }

    /// The `timeout` parameter.
    private static func limit(of request: HTTPRequestMessage) -> Duration? {
        let items = request.query.split(separator: "&")
        let text = items.first { $0.hasPrefix("timeout=") && $0.hasSuffix("ms") }?.dropFirst(8).dropLast(2)
        return text.flatMap { Int($0) }.map { .milliseconds($0) }
    }

    /// From now on an operator's writes of Deployments arrive, and wait before they are carried out.
    func holdWrites(of name: String, about prefix: String) { state.withLock { $0.held = (name, prefix) } }

    /// Carries out what waits, where its time isn't up.
    func releaseWrites() { state.withLock { $0.held = nil } }

    /// The number of writes that waited.
    var heldCount: Int { state.withLock { $0.heldCount } }

    /// From now on writes count.
    func mark() { state.withLock { $0.marked = $0.writes.count } }

    /// The writes of an operator since the mark, less those of Leases.
    func writes(by name: String, sinceMark: Bool = true) -> [String] {
        state.withLock { state in
            state.writes.dropFirst(sinceMark ? state.marked : 0).filter { $0.operator == name }.map(\.request)
        }
    }

    /// Who holds the Lease; `nil` without one.
    func holder() async throws -> String? {
        let key = ObjectKey(namespace: "default", name: "modelfleet-operator")
        return try await client.find(.leases, key)?["spec", "holderIdentity"]?.string
    }

    /// Who holds each shard.
    func shardHolders() async throws -> [String] {
        try await client.list(.leases, namespace: "default").items.filter { $0.name.contains("-shard-") }
            .map { $0["spec", "holderIdentity"]?.string ?? "" }
    }

    /// Creates models.
    func add(_ prefix: String, count: Int) async throws {
        for number in 0..<count { try await client.create(Samples.models, Samples.model("\(prefix)\(number)")) }
    }

    /// Waits for an object of each model.
    func expect(_ type: ResourceType, _ prefix: String, count: Int) async throws {
        for number in 0..<count {
            let key = ObjectKey(namespace: "default", name: "\(prefix)\(number)")
            _ = try await eventually(within: .seconds(30), "\(type) \(key)") { try await client.find(type, key) }
        }
    }
}
