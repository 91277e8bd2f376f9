// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Logging
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@testable import LocalCluster

@Suite("The Service proxy on HTTP, with real connections")
struct HTTPProxyTests {
    private let world = ProxyWorld()

    @Test(
        "Of 100 requests on one connection exactly the weight goes to the canary, whatever it changes to",
        .timeLimit(.minutes(3))
    )
    func weights() async throws {
        try await world.run { proxy, stable, canary in
            for weight in [10, 25, 0, 50, 100] {
                proxy.update(
                    world.table([stable], [canary], TrafficRule(backends: [.init(service: "c", weight: weight)]))
                )
                let bodies = try await world.ask(Array(repeating: "/", count: 100))
                #expect(bodies.count { $0 == "canary" } == weight)
                #expect(bodies.count { $0 == "stable" } == 100 - weight)
            }
        }
    }

    @Test(
        "Many connections at once share the weights exactly, and no request is lost by changes",
        .timeLimit(.minutes(3))
    )
    func concurrentWeights() async throws {
        try await world.run { proxy, stable, canary in
            let rule = TrafficRule(backends: [.init(service: "c", weight: 10)])
            proxy.update(world.table([stable], [canary], rule))
            func load() async throws -> [String] {
                try await withThrowingTaskGroup(of: [String].self) { group in
                    for _ in 0..<20 { group.addTask { try await world.ask(Array(repeating: "/", count: 50)) } }
                    return try await group.reduce(into: []) { $0 += $1 }
                }
            }
            let calm = try await load()
            #expect(calm.count { $0 == "canary" } == 100)
            #expect(calm.count == 1000)
            async let stormy = load()
            for step in 0..<200 {
                let weight = TrafficRule(backends: [.init(service: "c", weight: step % 100)])
                proxy.update(world.table([stable], step % 3 == 0 ? [] : [canary], weight))
                await Task.yield()
            }
            #expect(try await stormy.count == 1000)
        }
    }

    @Test("Users stay on one track, and matches come before weights", .timeLimit(.minutes(3)))
    func stickyAndMatches() async throws {
        try await world.run { proxy, stable, canary in
            let rule = TrafficRule(
                backends: [.init(service: "c", weight: 50)],
                stickyHeader: "X-User",
                matches: [
                    .init(header: "x-beta", value: "1", service: "c"),
                    .init(header: "cookie", value: "ab=b", service: "c"),
                ]
            )
            proxy.update(world.table([stable], [canary], rule))
            var seen: Set<String> = []
            for user in 0..<20 {
                let bodies = try await world.ask(["/", "/", "/"], fields: "x-user: u\(user)\r\n")
                #expect(Set(bodies).count == 1)
                seen.formUnion(bodies)
            }
            #expect(seen == ["stable", "canary"])
            let always = Array(repeating: "canary", count: 10)
            #expect(try await world.ask(Array(repeating: "/", count: 10), fields: "X-Beta: 1\r\n") == always)
            #expect(try await world.ask(Array(repeating: "/", count: 10), fields: "cookie: x=y; ab=b\r\n") == always)
        }
    }

    @Test("A mirror gets copies with their bodies; one that never answers slows nobody", .timeLimit(.minutes(3)))
    func mirror() async throws {
        try await world.run { proxy, stable, canary in
            let half = TrafficRule(mirror: .init(service: "c", percent: 50))
            proxy.update(world.table([stable], [canary], half))
            let bodies = try await world.ask(Array(repeating: "/", count: 20), body: "hello")
            #expect(bodies == Array(repeating: "stable", count: 20))
            try await until("the copies have arrived") { canary.seen.withLock { $0.bodies.count } == 10 }
            #expect(canary.seen.withLock { $0.bodies } == Array(repeating: "hello", count: 10))
            try await until("no copy is left") { proxy.mirroredCount == 0 }
            // Nobody answers at `/late` in the canary, and beyond its bound nothing is copied any more.
            stable.release()
            proxy.update(world.table([stable], [canary], TrafficRule(mirror: .init(service: "c", percent: 100))))
            let late = try await world.ask(Array(repeating: "/late", count: 300))
            #expect(late == Array(repeating: "stable", count: 300))
            #expect(proxy.mirroredCount == ProxyLimits.mirrors)
            canary.release()
            try await until("no copy is left") { proxy.mirroredCount == 0 }
            await canary.stop()
            #expect(try await world.ask(["/", "/"]) == ["stable", "stable"])
        }
    }

    @Test("A pod that refuses connections is passed over, also for the other track", .timeLimit(.minutes(3)))
    func refused() async throws {
        try await world.run { proxy, stable, canary in
            let rule = TrafficRule(backends: [.init(service: "c", weight: 50)])
            let gone = try await SmallHTTPServer.start("gone", on: Loopback.address())
            let table = world.table([gone, stable], [canary], rule)
            await gone.stop()
            proxy.update(table)
            #expect(try await world.ask(Array(repeating: "/", count: 20)).count { $0 == "canary" } == 10)
            await canary.stop()
            try await until("the canary's connections are gone") { canary.seen.withLock { $0.open } == 0 }
            let bodies = try await world.ask(Array(repeating: "/", count: 20), body: "x")
            #expect(bodies == Array(repeating: "stable", count: 20))
            await stable.stop()
            try await until("its connections are gone") { stable.seen.withLock { $0.open } == 0 }
            let answers = try await world.answers(["/"])
            #expect(answers.first?.status == 503)
            #expect(answers.first?.body.contains("takes connections") ?? false)
        }
    }

    @Test("A request on a connection that its pod closed is repeated only where that is safe", .timeLimit(.minutes(3)))
    func repeated() async throws {
        try await world.run { proxy, stable, _ in
            proxy.update(world.table([stable], []))
            #expect(try await world.ask(["/", "/drop", "/"]) == ["stable", "stable", "stable"])
            // On a busy machine the proxy may have let go of the connection before the second request came, a second later.
            try await until("a request that isn't safe meets a connection that its pod closes") {
                let answers = try await world.answers(["/", "/drop", "/"], method: "POST", body: "x")
                return answers.map(\.status) == [200, 502, 200]
            }
        }
    }

    @Test("A request in hand ends on its pod when that is an endpoint no more", .timeLimit(.minutes(3)))
    func inFlight() async throws {
        try await world.run { proxy, stable, canary in
            proxy.update(world.table([stable], []))
            async let late = world.ask(["/late"], body: "x")
            try await until("the pod has it") { stable.requests == 1 }
            proxy.update(world.table([canary], []))
            #expect(try await world.ask(["/"]) == ["canary"])
            stable.release()
            #expect(try await late == ["stable"])
            try await until("no connection to it is left") { stable.seen.withLock { $0.open } == 0 }
        }
    }

    @Test("A request whose client goes while it waits for a pod is sent to none", .timeLimit(.minutes(3)))
    func heldClientGone() async throws {
        let world = ProxyWorld()
        try await world.run { proxy, stable, _ in
            proxy.update(world.table([], [], holds: true))
            try await SmallClient(to: world.address, port: world.port).talk { line in
                try await line.ask("/", body: "x")
                try await until("it is held") { proxy.held.count == 1 }
            }
            try await until("it is forgotten") { proxy.held.count == 0 }
            proxy.update(world.table([stable], [], holds: true))
            #expect(try await world.ask(["/"]) == ["stable"])
            #expect(stable.requests == 1)
        }
    }

    @Test("A stalled request is the fault of whoever is waited for")
    func stall() {
        #expect(ProxyLimits.stall(isComplete: false, podTakesMore: true).status.code == 408)
        #expect(ProxyLimits.stall(isComplete: false, podTakesMore: false).status.code == 504)
        #expect(ProxyLimits.stall(isComplete: true, podTakesMore: true).status.code == 504)
    }

    @Test("What waits for a pod in vain gets an answer that says so", .timeLimit(.minutes(3)))
    func unavailable() async throws {
        let world = ProxyWorld(longestWait: .milliseconds(200))
        try await world.run { proxy, stable, _ in
            proxy.update(world.table([], []))
            var answers = try await world.answers(["/", "/"], body: "x")
            #expect(answers.map(\.status) == [503, 503])
            #expect(answers[0].fields["retry-after"] == "5")
            #expect(answers[0].body.contains("has no ready pod"))
            proxy.update(world.table([], [], holds: true))
            answers = try await world.answers(["/"], body: "x")
            #expect(answers.map(\.status) == [503])
            #expect(answers[0].body.contains("no pod of it got ready"))
            async let woken = world.ask(["/", "/"], body: "x")
            proxy.update(world.table([stable], [], holds: true))
            #expect(try await woken == ["stable", "stable"])
        }
    }
}

/// A proxy with an HTTP port in front of two Services' pods.
struct ProxyWorld: Sendable {
    let address = Loopback.address()
    let port = 8080
    var longestWait = HeldConnections.longestWait

    func run(_ body: (ServiceProxy, _ stable: SmallHTTPServer, _ canary: SmallHTTPServer) async throws -> Void)
        async throws
    {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let proxy = ServiceProxy(
            configuration: LocalClusterConfiguration(directory: "", logger: logger),
            longestWait: longestWait
        )
        let stable = try await SmallHTTPServer.start("stable", on: Loopback.address())
        let canary = try await SmallHTTPServer.start("canary", on: Loopback.address())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await proxy.run() }
            defer { group.cancelAll() }
            proxy.update(table([], []))
            try await until("the proxy listens") {
                guard let client = try? await SmallClient(to: address, port: port) else { return false }
                try await client.talk { _ in }
                return true
            }
            try await body(proxy, stable, canary)
            proxy.closeConnections()
            await stable.stop()
            await canary.stop()
        }
    }

    func table(
        _ stable: [SmallHTTPServer],
        _ canary: [SmallHTTPServer],
        _ rule: TrafficRule? = nil,
        holds: Bool = false
    ) -> ServiceTable {
        var service = KubeObject(.services, namespace: "shop", name: "web")
        if holds { service.setAnnotation(FleetAPI.holdsRequestsAnnotation, to: "true") }
        if let rule { service.setAnnotation(FleetAPI.trafficAnnotation, to: rule.annotation) }
        let ports: JSONValue = [["port": JSONValue(port), "name": "http"]]
        service["spec"] = ["clusterIP": .string(address), "ports": ports]
        let slices = [("web", stable), ("c", canary)].flatMap { name, servers in
            servers.enumerated().map { index, server in
                var slice = KubeObject(.endpointSlices, namespace: "shop", name: "\(name)-\(index)")
                slice.labels = [EndpointSlicePlan.serviceLabel: name]
                let target = server.channel?.localAddress?.ipAddress ?? ""
                slice.json["endpoints"] = [["addresses": [.string(target)], "conditions": ["ready": true]]]
                slice.json["ports"] = [["port": JSONValue(server.channel?.localAddress?.port ?? 0), "name": "http"]]
                return slice
            }
        }
        return ServiceTable(services: [service], slices: slices)
    }

    /// The answers to requests, sent one after the other on one connection.
    func answers(
        _ paths: [String],
        method: String? = nil,
        fields: String = "",
        body: String? = nil
    ) async throws -> [SmallAnswer] {
        var answers: [SmallAnswer] = []
        try await SmallClient(to: address, port: port).talk { line in
            var reader = AnswerReader()
            for path in paths {
                try await line.ask(path, method: method ?? (body == nil ? "GET" : "POST"), fields: fields, body: body)
                guard let answer = try await reader.next(&line) else { break }
                answers.append(answer)
            }
        }
        return answers
    }

    /// The bodies of the good answers.
    func ask(_ paths: [String], fields: String = "", body: String? = nil) async throws -> [String] {
        try await answers(paths, fields: fields, body: body).filter { $0.status == 200 }.map(\.body)
    }
}
