// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeRuntime
import KubeTesting
import Scaling
import Synchronization
import Telemetry
import Testing

@testable import Controllers

@Suite("Signals from Prometheus servers", .timeLimit(.minutes(2)))
struct PrometheusPollerTests {
    /// Servers in this process, a poller that asks them, the time, and what was asked. All of it runs on the test's own thread.
    private final class Servers: Sendable {
        let asked = Mutex<[String: Int]>([:])
        /// When the poller said that there is something to decide from.
        let told = Mutex<[WallTime]>([])
        /// What a server answers to a query; `nil` for nothing, after five seconds. What is no JSON comes with status 503, and so
        /// does an error.
        let answer: @Sendable (_ server: String, _ query: String, _ now: WallTime) -> String?
        private let scheduler = SimScheduler(seed: 1)
        private let running = Mutex<Task<Void, Never>?>(nil)

        init(_ answer: @escaping @Sendable (String, String, WallTime) -> String?) { self.answer = answer }

        var time: SimClock { SimClock(scheduler) }

        func count(_ server: String) -> Int { asked.withLock { $0[server] ?? 0 } }

        /// Starts a poller, which works as the time goes on.
        func poller() -> PrometheusPoller {
            let exchange = ClosureExchange { [self] in try await respond($0) }
            let poller = PrometheusPoller(exchange: exchange, time: time, random: SeededRandom(seed: 2)) { [self] _ in
                told.withLock { $0.append(time.now()) }
            }
            let task = scheduler.makeProcess("poller").spawn { try? await poller.run() }
            running.withLock { $0 = task }
            return poller
        }

        /// Lets time go on; `each` is done once a second.
        func run(for duration: Duration, each: () throws -> Void = {}) throws {
            let end = scheduler.now + duration
            while scheduler.now < end {
                try each()
                _ = scheduler.run(until: min(end, scheduler.now + .seconds(1)))
            }
        }

        /// Ends the poller.
        func stop() {
            running.withLock { $0?.cancel() }
            scheduler.drain()
        }

        private func respond(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
            let server = request.head.authority ?? ""
            asked.withLock { $0[server, default: 0] += 1 }
            let query = String(decoding: try await request.body.collect(upTo: 1 << 16), as: UTF8.self)
            guard let text = answer(server, query, time.now()) else {
                try await time.sleep(for: .seconds(5))
                return HTTPResponseMessage(status: .gatewayTimeout, text: "")
            }
            guard text.hasPrefix("{") else { return HTTPResponseMessage(status: .serviceUnavailable, text: text) }
            return HTTPResponseMessage(
                status: text.contains("errorType") ? .serviceUnavailable : .ok,
                contentType: "application/json; charset=utf-8",
                bytes: Array(text.utf8)
            )
        }

        static func vector(_ values: [(pod: String?, value: Int)], at time: WallTime) -> String {
            let series = values.map { pod, value in
                #"{"metric":{\#(pod.map { #""pod":"\#($0)""# } ?? "")},"value":[\#(time.seconds),"\#(value)"]}"#
            }
            return #"{"status":"success","data":{"resultType":"vector","result":["#
                + series.joined(separator: ",") + "]}}"
        }
    }

    /// Stores with a model that asks `server`, and a ready pod of each of two revisions.
    private static func stores(_ name: String = "m", server: String = "one", query: String) -> FleetStores {
        let stores = FleetStores()
        add(name, server: server, query: query, to: stores)
        return stores
    }

    private static func add(_ name: String, server: String, query: String, to stores: FleetStores) {
        let scaling: JSONValue = [
            "metricsSource": "Prometheus", "intervalSeconds": 2, "targets": [["signal": "QueueLength", "value": 4]],
            "prometheus": ["address": .string("http://\(server)"), "queries": ["queueLength": .string(query)]],
        ]
        var model = OperatorHarness.model(name, spec: ["scaling": scaling])
        model["metadata", "uid"] = .string("u-\(name)")
        stores.models.replaceAll(stores.models.all() + [model])
        let owner = OwnerReference(
            apiVersion: "modelfleet.dev/v1alpha1",
            kind: "ModelDeployment",
            name: name,
            uid: "u-\(name)"
        )
        for revision in 1...2 {
            var deployment = KubeObject(.deployments, namespace: "default", name: "\(name)-r\(revision)")
            deployment.labels = [FleetAPI.modelLabel: name, FleetAPI.revisionLabel: "\(revision)"]
            deployment.json.set([owner.json], at: "metadata", "ownerReferences")
            stores.deployments.replaceAll(stores.deployments.all() + [deployment])
            var pod = KubeObject(.pods, namespace: "default", name: "\(name)-\(revision)")
            pod.labels = [FleetAPI.modelLabel: name, FleetAPI.revisionLabel: "\(revision)"]
            pod["status"] = OperatorHarness.ready("10.0.0.\(revision)")
            stores.pods.replaceAll(stores.pods.all() + [pod])
        }
    }

    private static func read(
        _ name: String,
        _ stores: FleetStores,
        _ poller: PrometheusPoller,
        _ time: any TimeSource
    ) throws -> TrackSignals {
        let board = ScrapeBoard(
            scraper: Scraper(exchange: ClosureExchange { _ in throw CancellationError() }, time: time),
            time: time,
            random: SeededRandom(seed: 1)
        )
        let key = OperatorHarness.key(name)
        let observation = try #require(ModelObservation(key, stores: stores, scaling: nil, time: time.now()))
        var watched: [ScrapeGroup: [ScrapeTarget]] = [:]
        return ModelSignals(board: board, poller: poller).read(observation, serving: 1, watched: &watched)
    }

    /// Why there is no queue length: of all signals of a pod, or of this one.
    private static func reason(_ signals: TrackSignals) -> String {
        signals.missing.first?.reason ?? signals.missingSignals[.queueLength]?.description ?? ""
    }

    @Test(
        "the demand of all revisions is one sum: by pod, by revision, and once where the query is about the model",
        arguments: [("queue", true), ("sum(queue{revision=\"${revision}\"})", false), ("sum(queue)", false)]
    )
    func tracks(query: String, isByPod: Bool) throws {
        let servers = Servers { _, asked, now in
            if isByPod { return Servers.vector([("m-1", 11), ("m-2", 4)], at: now) }
            let value = asked.contains("revision%3D%221") ? 11 : asked.contains("revision%3D%222") ? 4 : 15
            return Servers.vector([(nil, value)], at: now)
        }
        let poller = servers.poller()
        defer { servers.stop() }
        let stores = Self.stores(query: query)
        #expect(try Self.read("m", stores, poller, servers.time).pending == 1)
        try servers.run(for: .seconds(3))
        let reading = try Self.read("m", stores, poller, servers.time).readings[.queueLength]
        #expect(reading?.total == 15)
        #expect(reading?.reporting == 1)
        servers.stop()
        try servers.run(for: .seconds(10))
        let later = try Self.read("m", stores, poller, servers.time)
        #expect(later.age >= .seconds(10) && later.age < .seconds(14))
        #expect(later.readings[.queueLength]?.age == later.age)
    }

    @Test("a dead server is asked ever more seldom, and who asks another doesn't wait for it")
    func dead() throws {
        let isDead = Mutex(true)
        let servers = Servers { server, _, now in
            server == "dead" && isDead.withLock { $0 } ? nil : Servers.vector([("good-1", 3), ("m9-1", 5)], at: now)
        }
        let poller = servers.poller()
        defer { servers.stop() }
        let stores = FleetStores()
        for index in 0..<20 { Self.add("m\(index)", server: "dead", query: "queue", to: stores) }
        let time = servers.time
        func readAll() throws { for index in 0..<20 { _ = try Self.read("m\(index)", stores, poller, time) } }
        try readAll()
        try servers.run(for: .seconds(5))
        #expect(servers.count("dead") == 4, "a quarter of the questions, to a server that nobody knows yet")
        Self.add("good", server: "good", query: "queue", to: stores)
        _ = try Self.read("good", stores, poller, time)
        try servers.run(for: .seconds(20)) {
            try readAll()
            _ = try Self.read("good", stores, poller, time)
        }
        #expect(servers.count("dead") <= 8)
        #expect(servers.count("good") >= 12, "two revisions, every two seconds")
        let good = try Self.read("good", stores, poller, time)
        #expect(good.readings[.queueLength]?.total == 3)
        #expect(good.age < .seconds(4))
        let other = try Self.read("m9", stores, poller, time)
        #expect(Self.reason(other).contains("Prometheus doesn't answer: status 504"), "\(Self.reason(other))")
        isDead.withLock { $0 = false }
        try servers.run(for: .seconds(30)) { try readAll() }
        #expect(try Self.read("m9", stores, poller, time).readings[.queueLength]?.total == 5)
    }

    @Test("a server that is away for a moment failed once, however many questions were open; the last answers stay")
    func blip() throws {
        let isAway = Mutex(false)
        let servers = Servers { _, _, now in
            isAway.withLock { $0 } ? nil : Servers.vector((0..<8).map { ("m\($0)-1", 3) }, at: now)
        }
        let (poller, stores, time) = (servers.poller(), FleetStores(), servers.time)
        defer { servers.stop() }
        for index in 0..<8 { Self.add("m\(index)", server: "one", query: "queue", to: stores) }
        func read(_ index: Int) throws -> TrackSignals { try Self.read("m\(index)", stores, poller, time) }
        func readAll() throws { for index in 0..<8 { _ = try read(index) } }
        try servers.run(for: .seconds(12), each: readAll)
        isAway.withLock { $0 = true }
        // All sixteen questions are asked within two seconds, and each fails five seconds later.
        try servers.run(for: .milliseconds(5500), each: readAll)
        isAway.withLock { $0 = false }
        try servers.run(for: .milliseconds(1500), each: readAll)
        for index in 0..<8 {
            let last = try read(index)
            #expect(last.readings[.queueLength]?.total == 3, "m\(index)")
            #expect(last.missingSignals[.queueLength] == nil, "m\(index)")
        }
        try servers.run(for: .seconds(4), each: readAll)
        for index in 0..<8 {
            let next = try read(index)
            #expect(next.readings[.queueLength]?.total == 3 && next.age < .seconds(4), "m\(index): \(next.age)")
        }
    }

    @Test("the last answer counts for half a minute of an outage, and then what is wrong is said")
    func outage() throws {
        let isAway = Mutex(false)
        let servers = Servers { _, _, now in isAway.withLock { $0 } ? "down" : Servers.vector([("m-1", 11)], at: now) }
        let (poller, stores) = (servers.poller(), Self.stores(query: "queue"))
        defer { servers.stop() }
        func read() throws -> TrackSignals { try Self.read("m", stores, poller, servers.time) }
        try servers.run(for: .seconds(5)) { _ = try read() }
        isAway.withLock { $0 = true }
        try servers.run(for: .seconds(25)) { _ = try read() }
        let kept = try read()
        #expect(kept.readings[.queueLength]?.total == 11)
        #expect(kept.age > .seconds(22))
        let (now, left) = (servers.time.now(), .seconds(30) - kept.age)
        try servers.run(for: .seconds(25)) { _ = try read() }
        // The next question may be a quarter of a minute off: it is told as well when the answer gets too old.
        let isTold = servers.told.withLock { $0.contains { $0 - now > left && $0 - now < left + .milliseconds(600) } }
        #expect(isTold, "\(left)")
        let late = try read()
        #expect(late.readings[.queueLength] == nil)
        #expect(Self.reason(late).contains("Prometheus doesn't answer: status 503: down"), "\(Self.reason(late))")
    }

    @Test("a query that takes too long is no outage: the others of the same server are asked as before")
    func slowQuery() throws {
        let servers = Servers { _, query, now in
            if query.contains("slow") { return #"{"status":"error","errorType":"timeout","error":"query timed out"}"# }
            return Servers.vector([("good-1", 3)], at: now)
        }
        let (poller, stores, time) = (servers.poller(), FleetStores(), servers.time)
        defer { servers.stop() }
        Self.add("good", server: "one", query: "queue", to: stores)
        for index in 0..<8 { Self.add("bad\(index)", server: "one", query: "slow", to: stores) }
        func readAll() throws {
            for name in ["good"] + (0..<8).map({ "bad\($0)" }) { _ = try Self.read(name, stores, poller, time) }
        }
        try readAll()
        try servers.run(for: .seconds(6), each: readAll)
        for _ in 0..<20 {
            try servers.run(for: .seconds(1), each: readAll)
            let good = try Self.read("good", stores, poller, time)
            #expect(good.readings[.queueLength]?.total == 3 && good.age < .seconds(4))
        }
        let reason = Self.reason(try Self.read("bad0", stores, poller, time))
        #expect(reason.contains("the query took too long: query timed out"), "\(reason)")
    }
}
