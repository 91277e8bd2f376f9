// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import NIOCore
import NIOHTTP1
import Testing

@testable import LocalCluster

@Suite("What the HTTP proxy decides")
struct TrafficDecisionTests {
    @Test("The first bytes tell the protocol")
    func guess() {
        let rows: [(String, ProtocolGuess)] = [
            ("", .undecided), ("G", .undecided), ("GET", .undecided), ("GET ", .http), ("GET / HTTP/1.1\r\n", .http),
            ("\r\nPOST /", .http), ("\r\n", .undecided), ("\r\n\r\n\r\n", .other), ("GETS / HTTP/1.1", .other),
            ("PRI * HTTP/2.0\r\n", .other), ("CONNECT a:1 HTTP/1.1", .other), ("\u{16}\u{3}\u{1}", .other),
            ("get / HTTP/1.1", .other), ("SSH-2.0-x", .other), ("P", .undecided), ("PR", .undecided),
        ]
        for (text, expected) in rows {
            #expect(ProtocolGuess(ByteBuffer(string: text)) == expected, "\(text)")
        }
    }

    @Test("Every window of 100 turns has exactly the weights", arguments: [1, 5, 10, 25, 33, 50, 99])
    func rotation(weight: Int) {
        var rotation = WeightedRotation([100 - weight, weight])
        let turns = (0..<400).map { _ in rotation.next() }
        for start in 0...300 {
            #expect(turns[start..<start + 100].count { $0 == 1 } == weight)
        }
        // Spread, not in a row: between two turns of the smaller one lie never more than the others' share, rounded up.
        let rare = weight <= 50 ? 1 : 0
        let places = turns.indices.filter { turns[$0] == rare }
        let share = min(weight, 100 - weight)
        for (one, next) in zip(places, places.dropFirst()) { #expect(next - one <= (100 + share - 1) / share + 1) }
    }

    @Test("Nobody has a turn without a weight")
    func noWeight() {
        var rotation = WeightedRotation([0, 0])
        #expect(rotation.next() == nil)
        var one = WeightedRotation([0, 3, -1])
        #expect((0..<10).allSatisfy { _ in one.next() == 1 })
    }

    @Test("Users keep their place, have their share, and move only as far as a new weight makes them")
    func rendezvous() {
        func place(_ user: Int, _ weight: Int) -> Int? {
            WeightedRendezvous.choose(user: "user-\(user)", parties: [("", 100 - weight), ("canary", weight)])
        }
        let users = 0..<20_000
        var last = users.map { place($0, 0) }
        #expect(last.allSatisfy { $0 == 0 })
        for (before, weight) in [(0, 10), (10, 25), (25, 50), (50, 100)] {
            let now = users.map { place($0, weight) }
            let onCanary = Double(now.count { $0 == 1 }) / 20_000
            // Four standard deviations of a share among so many users.
            #expect(abs(onCanary - Double(weight) / 100) < 0.0142)
            let moved = zip(last, now).filter { $0 != $1 }
            #expect(moved.allSatisfy { $0.1 == 1 })
            #expect(abs(Double(moved.count) / 20_000 - Double(weight - before) / 100) < 0.0142)
            last = now
        }
        #expect(WeightedRendezvous.choose(user: "a", parties: [("x", 0)]) == nil)
    }

    @Test("A rule is read from its annotation and written the same")
    func rule() throws {
        let text = """
            {"backends":[{"service":"m-canary","weight":10}],"sticky":{"header":"x-user-id"},\
            "mirror":{"service":"m-canary","percent":100},\
            "matches":[{"header":"x-beta","value":"1","service":"m-canary"}]}
            """
        let rule = try TrafficRule(annotation: text)
        #expect(rule.backends == [.init(service: "m-canary", weight: 10)])
        #expect(rule.ownWeight == 90)
        #expect(rule.stickyHeader == "x-user-id")
        #expect(rule.mirror == .init(service: "m-canary", percent: 100))
        #expect(rule.matches == [.init(header: "x-beta", value: "1", service: "m-canary")])
        #expect(try TrafficRule(annotation: rule.annotation) == rule)
        #expect(try TrafficRule(annotation: "{}") == TrafficRule())
    }

    @Test(
        "A rule that makes no sense is refused with the place",
        arguments: [
            ("[", "is no JSON"), ("[]", "is no JSON object"), (#"{"backends":1}"#, "backends is no list"),
            (#"{"backends":[{"service":"a","weight":101}]}"#, "backends[0].weight"),
            (#"{"backends":[{"service":"a","weight":1.5}]}"#, "backends[0].weight"),
            (#"{"backends":[{"service":"","weight":1}]}"#, "backends[0].service"),
            (#"{"backends":[{"service":"a","weight":60},{"service":"b","weight":60}]}"#, "add up to 120"),
            (#"{"backends":[{"service":"a","weight":6},{"service":"a","weight":6}]}"#, "named twice"),
            (#"{"sticky":{}}"#, "sticky.header"), (#"{"mirror":{"service":"a"}}"#, "mirror.percent"),
            (#"{"matches":[{"header":"a","value":"b"}]}"#, "matches[0].service"),
        ]
    )
    func badRule(text: String, says: String) {
        let error = #expect(throws: TrafficRuleError.self) { try TrafficRule(annotation: text) }
        #expect(error?.description.contains(says) ?? false)
    }

    @Test("Fields of one connection don't pass, others do")
    func fields() throws {
        var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/a?b")
        head.headers = [
            "Host": "h", "Connection": "keep-alive, X-Hop", "X-Hop": "1", "Keep-Alive": "timeout=5", "TE": "trailers",
            "Transfer-Encoding": "Chunked", "Proxy-Connection": "close", "X-Own": "2", "Expect": "100-continue",
        ]
        let plan = try ForwardedRequest(head)
        #expect(
            plan.head.headers.map { "\($0.name): \($0.value)" }
                == ["Host: h", "X-Own: 2", "Expect: 100-continue", "transfer-encoding: chunked"]
        )
        #expect(plan.hasBody && plan.isKeptAlive && !plan.isReplayable && !plan.opensTunnel)
    }

    @Test("Requests are refused, tunnelled or repeated by their heads")
    func plans() throws {
        func plan(_ method: HTTPMethod, _ fields: HTTPHeaders, _ version: HTTPVersion = .http1_1) throws
            -> ForwardedRequest
        {
            try ForwardedRequest(HTTPRequestHead(version: version, method: method, uri: "/", headers: fields))
        }
        #expect(throws: ForwardedRequest.Refusal.self) { try plan(.POST, ["transfer-encoding": "gzip, chunked"]) }
        #expect(throws: ForwardedRequest.Refusal.self) { try plan(.POST, ["transfer-encoding": "chunked"], .http1_0) }
        #expect(try plan(.GET, [:]).isReplayable)
        #expect(try !plan(.POST, ["content-length": "0"]).isReplayable)
        #expect(try !plan(.PUT, ["content-length": "1"]).isReplayable)
        #expect(try plan(.CONNECT, [:]).opensTunnel)
        #expect(try plan(.GET, ["connection": "upgrade", "upgrade": "websocket"]).opensTunnel)
        let h2c = try plan(.GET, ["connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "x"])
        #expect(!h2c.opensTunnel && !h2c.isKeptAlive && h2c.head.headers.isEmpty)
        #expect(try !plan(.GET, [:], .http1_0).isKeptAlive)
        #expect(try plan(.GET, ["connection": "keep-alive"], .http1_0).isKeptAlive)
    }

    @Test("Headers and cookies are matched whole")
    func matches() {
        func fits(_ header: String, _ value: String, _ fields: HTTPHeaders) -> Bool {
            TrafficRouter.fits(.init(header: header, value: value, service: "s"), fields)
        }
        #expect(fits("X-Beta", "1", ["x-beta": "1"]))
        #expect(!fits("x-beta", "1", ["x-beta": "11"]))
        #expect(fits("Cookie", "beta=1", ["cookie": "a=b; beta=1; c=d"]))
        #expect(!fits("cookie", "beta=1", ["cookie": "a=b; beta=12"]))
        #expect(!fits("cookie", "beta=1", ["cookie": "xbeta=1"]))
    }

    @Test("A track without a pod is stood in for, but never by one of weight 0, unless it is the Service's own")
    func standIns() throws {
        let router = TrafficRouter(random: SeededRandom(seed: 1))
        let one = ServiceTarget(address: "127.0.0.1", port: 1)
        let two = ServiceTarget(address: "127.0.0.1", port: 2)
        func targets(own: [ServiceTarget], canary: [ServiceTarget], weight: Int) -> Set<ServiceTarget> {
            let rule = TrafficRule(backends: [.init(service: "c", weight: weight)])
            router.update(own, ServiceRoute(speaksHTTP: true, rule: rule, others: ["c": canary]))
            return Set(
                (0..<100).compactMap { _ in router.order(for: [:]).lazy.compactMap { $0.take(except: []) }.first }
            )
        }
        #expect(targets(own: [one], canary: [two], weight: 10) == [one, two])
        #expect(targets(own: [one], canary: [], weight: 10) == [one])
        #expect(targets(own: [], canary: [two], weight: 10) == [two])
        #expect(targets(own: [one], canary: [], weight: 100) == [one])
        #expect(targets(own: [], canary: [two], weight: 0) == [])
    }

    @Test("A port speaks HTTP by its appProtocol, its name, or its rule")
    func ports() {
        func speaks(_ port: JSONValue, annotation: String? = nil) -> Bool? {
            var service = KubeObject(.services, namespace: "shop", name: "web")
            if let annotation { service.setAnnotation(FleetAPI.trafficAnnotation, to: annotation) }
            var port = port
            port["port"] = 80
            service["spec"] = ["clusterIP": "127.96.0.1", "ports": [port]]
            return ServiceTable(services: [service], slices: []).routes.values.first?.speaksHTTP
        }
        #expect(speaks(["name": "http"]) == true)
        #expect(speaks(["name": "http-predict"]) == true)
        #expect(speaks(["name": "https"]) == false)
        #expect(speaks([:]) == false)
        #expect(speaks(["appProtocol": "http", "name": "x"]) == true)
        #expect(speaks(["appProtocol": "kubernetes.io/h2c", "name": "http"]) == false)
        #expect(speaks([:], annotation: "{}") == true)
        #expect(speaks([:], annotation: "{") == false)
    }
}
