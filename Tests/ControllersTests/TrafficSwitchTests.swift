// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import Foundation
import KubeAPI
import KubeModel
import KubeServer
import KubeTesting
import Rollouts
import Testing
import YAML

@testable import Controllers

@Suite("Traffic providers against an API server")
struct TrafficSwitchTests {
    private let client = KubeClient(exchange: APIServer())
    private static let folder = "kubernetes/crds"

    private func install(_ name: String) async throws {
        let file = try #require(SharedData.files(in: Self.folder, suffix: name + ".yaml").first)
        let text = String(decoding: try SharedData.bytes(of: file), as: UTF8.self)
        for json in try JSONValue.documents(yaml: text) where json["kind"] == "CustomResourceDefinition" {
            try await client.create(.customResourceDefinitions, KubeObject(json))
        }
    }

    private func split(_ weight: Int, mirror: Int = 0, matches: [TrafficSplit.Match] = []) -> TrafficSplit {
        TrafficSplit(
            rootService: "churn",
            canaryService: "churn-canary",
            weight: weight,
            matches: matches,
            mirrorPercent: mirror
        )
    }

    /// A split of every kind, one after the other, each of which the API server's schema has to take.
    private var splits: [TrafficSplit] {
        [
            split(10),
            split(25, matches: [.init(header: "x-beta", value: "1"), .init(header: "cookie", value: "b=1")]),
            split(50, mirror: 30), split(0, mirror: 100), split(100), split(0),
        ]
    }

    @Test(
        "An HTTPRoute follows every split, valid by its definition, and is as before at the end",
        .timeLimit(.minutes(5)),
        .enabled(if: SharedData.has(Self.folder), "skipped: ../shared/kubernetes/crds is absent")
    )
    func gateway() async throws {
        try await install("gateway.networking.k8s.io_httproutes")
        var route = KubeObject(.httpRoutes, namespace: "default", name: "web")
        route["spec"] = [
            "parentRefs": [["name": "edge"]],
            "rules": [
                [
                    "backendRefs": [["name": "other", "port": 80]],
                    "matches": [["path": ["type": "Exact", "value": "/o"]]],
                ],
                ["backendRefs": [["name": "churn", "port": 80]]],
            ],
        ]
        let first = try await client.create(.httpRoutes, route)
        let provider = GatewayTraffic(routes: ["web"])
        let mover = TrafficSwitch(client: client)
        for split in splits {
            let outcome = try await mover.bring(split, by: provider, namespace: "default")
            #expect(
                outcome
                    == TrafficOutcome(observed: ObservedTraffic(weight: split.weight), isInPlace: true, problems: [])
            )
            let live = try await client.get(.httpRoutes, route.key)
            #expect(live["spec", "rules"]?.array?.contains { $0["backendRefs"]?[0]?["name"] == "other" } ?? false)
        }
        let last = try await client.get(.httpRoutes, route.key)
        #expect(last["spec"] == first["spec"])
    }

    @Test(
        "A VirtualService follows every split, valid by its definition, and is as before at the end",
        .timeLimit(.minutes(5)),
        .enabled(if: SharedData.has(Self.folder), "skipped: ../shared/kubernetes/crds is absent")
    )
    func istio() async throws {
        try await install("networking.istio.io_virtualservices")
        try await install("networking.istio.io_destinationrules")
        var virtual = KubeObject(.virtualServices, namespace: "default", name: "web")
        virtual["spec"] = [
            "hosts": ["churn"],
            "http": [
                ["match": [["uri": ["exact": "/o"]]], "route": [["destination": ["host": "other"]]]],
                ["route": [["destination": ["host": "churn"], "headers": ["request": ["set": ["a": "b"]]]]]],
            ],
        ]
        let first = try await client.create(.virtualServices, virtual)
        let provider = IstioTraffic(virtualServices: ["web"], canaryRevision: "2")
        for split in splits {
            let outcome = try await TrafficSwitch(client: client).bring(split, by: provider, namespace: "default")
            #expect(
                outcome
                    == TrafficOutcome(observed: ObservedTraffic(weight: split.weight), isInPlace: true, problems: [])
            )
        }
        #expect(try await client.get(.virtualServices, virtual.key)["spec"] == first["spec"])
        let rule = try await client.find(.destinationRules, ObjectKey(namespace: "default", name: "churn-canary"))
        #expect(rule == nil)
    }

    @Test("The local cluster's annotation is written, read back and taken away")
    func local() async throws {
        var service = KubeObject(.services, namespace: "default", name: "churn")
        service.setAnnotation("mine", to: "kept")
        service["spec"] = ["ports": [["port": 80]]]
        try await client.create(.services, service)
        for split in splits {
            let outcome = try await TrafficSwitch(client: client).bring(split, by: LocalTraffic(), namespace: "default")
            #expect(outcome.isInPlace && outcome.observed == ObservedTraffic(weight: split.weight))
            let live = try await client.get(.services, service.key)
            let text = live.annotation(FleetAPI.trafficAnnotation)
            #expect((text == nil) == split.isAtRest)
            #expect(
                try text.map { try TrafficRule(annotation: $0) } == (split.isAtRest ? nil : LocalTraffic.rule(split))
            )
            #expect(live.annotation("mine") == "kept")
        }
    }

    @Test("A cluster without the kind gets a message that says so")
    func missingKind() async throws {
        let outcome = try await TrafficSwitch(client: client)
            .bring(split(10), by: GatewayTraffic(routes: ["web"]), namespace: "default")
        #expect(outcome.observed == nil && !outcome.isInPlace)
        #expect(outcome.problems.map(\.reason) == ["TrafficResourceMissing"])
        #expect(outcome.problems.first?.message.contains("httproutes.gateway.networking.k8s.io") ?? false)
        let none = try await TrafficSwitch(client: client).bring(split(10), by: LocalTraffic(), namespace: "default")
        #expect(none.problems.map(\.reason) == ["ServiceMissing"])
    }

    @Test(
        "What another one changes at the same time is kept",
        .timeLimit(.minutes(5)),
        .enabled(if: SharedData.has(Self.folder), "skipped: ../shared/kubernetes/crds is absent")
    )
    func concurrent() async throws {
        try await install("gateway.networking.k8s.io_httproutes")
        var route = KubeObject(.httpRoutes, namespace: "default", name: "web")
        route["spec"] = ["rules": [["backendRefs": [["name": "churn", "port": 80]]]]]
        try await client.create(.httpRoutes, route)
        // Between the read and the patch of the first attempt, somebody adds a rule.
        let meddled = MeddlingExchange(inner: client.exchange) { [client, route] in
            var live = try await client.get(.httpRoutes, route.key)
            let theirs: JSONValue = ["backendRefs": [["name": "late", "port": 80]]]
            let rules = (live["spec", "rules"]?.array ?? []) + [theirs]
            live["spec"]?["rules"] = .array(rules)
            try await client.replace(.httpRoutes, live)
        }
        let outcome = try await TrafficSwitch(client: KubeClient(exchange: meddled))
            .bring(split(10), by: GatewayTraffic(routes: ["web"]), namespace: "default")
        #expect(outcome.isInPlace && outcome.observed == ObservedTraffic(weight: 10))
        let names = try await client.get(.httpRoutes, route.key)["spec", "rules"]?.array?
            .flatMap { $0["backendRefs"]?.array?.compactMap { $0["name"]?.string } ?? [] }
        #expect(names == ["churn", "churn-canary", "late"])
    }
}
