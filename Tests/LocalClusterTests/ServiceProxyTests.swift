// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import Foundation
import KubeAPI
import KubeModel
import KubeServer
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
import Testing

@testable import LocalCluster

@Suite("The Service proxy, with real connections")
struct ServiceProxyTests {
    private let address = Loopback.address()
    private let port = 8080

    @Test("a port that needs root has one that stands for it", arguments: [(80, 8080), (443, 8443), (1023, 9023)])
    func unprivilegedPorts(port: Int, other: Int) {
        let service = ObjectKey(namespace: "default", name: "s")
        #expect(ServiceListener(service: service, address: "127.96.0.1", port: port).unprivilegedPort == other)
        #expect(ServiceListener(service: service, address: "127.96.0.1", port: other).unprivilegedPort == nil)
    }

    @Test("Hundreds of short connections, one after the other and at once, lose nothing", .timeLimit(.minutes(5)))
    func shortConnections() async throws {
        try await withProxy { proxy in
            let servers = try await [SmallServer.start(on: address), SmallServer.start(on: Loopback.address())]
            proxy.update(table(servers))
            try await untilServed()
            for size in 0..<300 {
                let bytes = SmallServer.pattern(size, size)
                #expect(try await SmallClient(to: address, port: port).exchange(bytes) == bytes)
            }
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for size in 0..<300 {
                    group.addTask {
                        let bytes = SmallServer.pattern(size, size * 40)
                        return try await SmallClient(to: address, port: port).exchange(bytes) == bytes
                    }
                }
                for try await isSame in group { #expect(isSame) }
            }
            try await until("no connection is left") { proxy.connectionCount == 0 }
            for server in servers { await server.stop() }
        }
    }

    @Test("Large bodies pass both ways unchanged", .timeLimit(.minutes(5)))
    func largeBodies() async throws {
        try await withProxy { proxy in
            let server = try await SmallServer.start(on: address)
            proxy.update(table([server]))
            try await untilServed()
            let bytes = SmallServer.pattern(0, 8 << 20)
            let back = try await SmallClient(to: address, port: port).exchange(bytes)
            #expect(back == bytes)
            await server.stop()
        }
    }

    @Test(
        "A client that doesn't read holds the server back, and gets every byte later, whatever it closed before",
        .timeLimit(.minutes(5)),
        arguments: [false, true],
        [6, 48]
    )
    func backPressure(endsEarly: Bool, megabytes: Int) async throws {
        try await withProxy { proxy in
            // The smaller flood ends while its end is still in the proxy: more than one connection's buffers take.
            let total = megabytes << 20
            let server = try await SmallServer.start(on: address, .flood(total))
            proxy.update(table([server]))
            var received: [UInt8] = []
            var seen = -1
            var client: SmallClient?
            try await until("the proxy listens") {
                client = try? await SmallClient(to: address, port: port)
                return client != nil
            }
            try await client?.talk { line in
                if endsEarly { line.end() }
                var calm = 0
                try await until("the server is held back") {
                    try await Task.sleep(for: .milliseconds(80))
                    calm = server.sent.value == seen ? calm + 1 : 0
                    seen = server.sent.value
                    return seen > 0 && calm >= 5
                }
                while let part = try await line.receive() { received += part }
            }
            if megabytes > 16 { #expect(seen < total) }
            #expect(received.count == total)
            #expect(received == SmallServer.pattern(0, total))
            await server.stop()
        }
    }

    @Test("A connection outlives its endpoint; others are closed at once", .timeLimit(.minutes(5)))
    func endpointRemoved() async throws {
        try await withProxy { proxy in
            let server = try await SmallServer.start(on: address)
            proxy.update(table([server]))
            try await untilServed()
            try await SmallClient(to: address, port: port).talk { line in
                try await line.send([1])
                let one = try await line.receive()
                #expect(one == [1])
                proxy.update(table([]))
                let other = try await SmallClient(to: address, port: port)
                try await other.talk { line in
                    let first = try await line.receive()
                    #expect(first == nil)
                }
                try await line.send([2, 3])
                let two = try await line.receive()
                #expect(two == [2, 3])
            }
            await server.stop()
        }
    }

    @Test(
        "A connection to a Service that holds requests waits for an endpoint, and wakes its model",
        .timeLimit(.minutes(5))
    )
    func holds() async throws {
        let client = KubeClient(exchange: APIServer())
        var service = KubeObject(.services, namespace: "default", name: "web")
        service["spec"] = ["ports": [["port": 80]]]
        try await client.create(.services, service)
        try await withProxy(client: client) { proxy in
            proxy.update(table([], namespace: "default", holds: true))
            let held = try await firstClient()
            try await until("its model is woken") {
                let service = try await client.get(.services, service.key)
                return service.annotation(FleetAPI.wakeAnnotation).flatMap(WallTime.init(rfc3339:)) != nil
            }
            let server = try await SmallServer.start(on: address)
            proxy.update(table([server], namespace: "default", holds: true))
            // It doesn't end its output before the answer: as long as it is held, that would mean that it has gone.
            try await held.talk { line in
                try await line.send([1, 2, 3])
                let back = try await line.receive()
                #expect(back == [1, 2, 3])
            }
            await server.stop()
        }
    }

    /// A connection to the proxy, as soon as it listens.
    private func firstClient() async throws -> SmallClient {
        var early: SmallClient?
        try await until("the proxy listens") {
            early = try? await SmallClient(to: address, port: port)
            return early != nil
        }
        return try #require(early)
    }

    @Test("A connection whose client goes while it is held is held no longer", .timeLimit(.minutes(5)))
    func heldClientGone() async throws {
        try await withProxy { proxy in
            proxy.update(table([], holds: true))
            let early = try await firstClient()
            try await until("it is held") { proxy.held.count > 0 }
            try await early.talk { _ in }
            try await until("it is forgotten") { proxy.held.count == 0 }
        }
    }

    @Test("What is held goes on in the order in which it came")
    func heldInOrder() {
        let held = HeldConnections(client: nil, time: ManualTime(), logger: Logger(label: "test"))
        let service = ObjectKey(namespace: "shop", name: "model")
        held.update(holding: [service], served: [])
        let order = Mutex<[Int]>([])
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        for number in 0..<50 {
            _ = held.hold(service, on: loop, resume: { order.withLock { $0.append(number) } }, expire: {})
        }
        held.resume(service)
        #expect(order.withLock { $0 } == Array(0..<50))
        #expect(held.count == 0)
    }

    @Test("What is held goes on to its end when its Service holds no more", .timeLimit(.minutes(5)))
    func holdsNoMore() async throws {
        try await withProxy { proxy in
            proxy.update(table([], holds: true))
            let early = try await firstClient()
            try await early.talk { line in
                proxy.update(table([]))
                let end = try await line.receive()
                #expect(end == nil)
            }
        }
    }

    @Test("An endpoint that refuses is passed over", .timeLimit(.minutes(5)))
    func refused() async throws {
        try await withProxy { proxy in
            let gone = try await SmallServer.start(on: Loopback.address())
            let server = try await SmallServer.start(on: address)
            proxy.update(table([gone, server]))
            try await untilServed()
            await gone.stop()
            for number in 0..<50 {
                let back = try await SmallClient(to: address, port: port).exchange([UInt8(number)])
                #expect(back == [UInt8(number)])
            }
            await server.stop()
        }
    }

    @Test("Its listeners close with it, gracefully or not", .timeLimit(.minutes(5)), arguments: [false, true])
    func shutdown(isGraceful: Bool) async throws {
        let proxy = ServiceProxy(configuration: configuration())
        let server = try await SmallServer.start(on: address)
        let group = ServiceGroup(services: [proxy], logger: proxy.logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try? await group.run() }
            proxy.update(table([server]))
            try await untilServed()
            if isGraceful { await group.triggerGracefulShutdown() } else { tasks.cancelAll() }
            try await tasks.waitForAll()
        }
        await #expect(throws: (any Error).self) { _ = try await SmallClient(to: address, port: port) }
        await server.stop()
    }

    @Test("An address that is taken is tried again by itself", .timeLimit(.minutes(5)))
    func takenAddress() async throws {
        let time = ManualTime()
        let squatter = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: address, port: port).get()
        try await withProxy(time: time) { proxy in
            let server = try await SmallServer.start(on: address)
            proxy.update(table([server]))
            for _ in 0..<2 {
                try await until("it waits for its next try") { time.sleeperCount == 1 }
                time.advance(by: ServiceProxy.retryDelay)
            }
            try await squatter.close().get()
            try await until("the address is served") {
                time.advance(by: ServiceProxy.retryDelay)
                return try await isServed()
            }
            await server.stop()
        }
    }

    @Test("Endpoints that are ending are asked only where no other is ready")
    func terminating() {
        func targets(_ conditions: JSONValue...) -> [String] {
            var service = KubeObject(.services, namespace: "shop", name: "web")
            service["spec"] = ["clusterIP": .string(address), "ports": [["port": JSONValue(port)]]]
            var slice = KubeObject(.endpointSlices, namespace: "shop", name: "web-1")
            slice.labels = [EndpointSlicePlan.serviceLabel: "web"]
            slice.json["ports"] = [["port": 8080]]
            slice.json["endpoints"] = .array(
                conditions.enumerated().map { index, conditions in
                    ["addresses": [.string("127.0.0.\(index + 1)")], "conditions": conditions]
                }
            )
            let table = ServiceTable(services: [service], slices: [slice])
            return table.targets.values.flatMap { $0 }.map(\.address)
        }
        let ready: JSONValue = ["ready": true, "serving": true, "terminating": false]
        let leaving: JSONValue = ["ready": false, "serving": true, "terminating": true]
        let broken: JSONValue = ["ready": false, "serving": false, "terminating": false]
        #expect(targets(leaving, ready, broken) == ["127.0.0.2"])
        #expect(targets(leaving, broken) == ["127.0.0.1"])
        #expect(targets(broken).isEmpty)
    }

    private func configuration(time: any TimeSource = SystemTime()) -> LocalClusterConfiguration {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return LocalClusterConfiguration(directory: "", time: time, logger: logger)
    }

    private func withProxy(
        time: any TimeSource = SystemTime(),
        client: KubeClient? = nil,
        _ body: (ServiceProxy) async throws -> Void
    ) async throws {
        let proxy = ServiceProxy(configuration: configuration(time: time), client: client)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await proxy.run() }
            defer { group.cancelAll() }
            try await body(proxy)
        }
    }

    private func isServed() async throws -> Bool {
        guard let client = try? await SmallClient(to: address, port: port) else { return false }
        return try await client.exchange([7]) == [7]
    }

    private func untilServed() async throws { try await until("the proxy serves") { try await isServed() } }

    private func table(_ servers: [SmallServer], namespace: String = "shop", holds: Bool = false) -> ServiceTable {
        var service = KubeObject(.services, namespace: namespace, name: "web")
        if holds { service.setAnnotation(FleetAPI.holdsRequestsAnnotation, to: "true") }
        service["spec"] = ["clusterIP": .string(address), "ports": [["port": JSONValue(port)]]]
        let slices = servers.enumerated().map { index, server in
            var slice = KubeObject(.endpointSlices, namespace: namespace, name: "web-\(index)")
            slice.labels = [EndpointSlicePlan.serviceLabel: "web"]
            let target = server.channel.localAddress?.ipAddress ?? ""
            slice.json["endpoints"] = [["addresses": [.string(target)], "conditions": ["ready": true]]]
            slice.json["ports"] = [["port": JSONValue(server.port)]]
            return slice
        }
        return ServiceTable(services: [service], slices: slices)
    }
}

extension ServiceProxy {
    /// A quiet logger.
    fileprivate var logger: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }
}
