// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    @Suite("Metrics of several operators", .serialized)
    struct MetricsOfSeveralOperators {
        private static let path =
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/modelfleet_requests_in_flight"
        private static let apiService = ObjectKey(namespace: nil, name: "v1beta1.external.metrics.k8s.io")
        private static let lease = ObjectKey(namespace: "default", name: "modelfleet-operator")

        @Test(
            "a request that reaches the process that waits is answered with the leader's readings, and after its end anew",
            .timeLimit(.minutes(3))
        )
        func waiting() async throws {
            try await LocalRun.run([]) { local in
                try await local.install()
                let hosts = (1...2).map { _ in Self.address() }
                var operators: [String: ProgramRun] = [:]
                for host in hosts { operators["\(host):6443"] = try Self.start(local, host: host) }
                var model = Samples.model("iris")
                model["spec", "scaling", "engine"] = "HorizontalPodAutoscaler"
                model["spec", "scaling", "targets"] = [["signal": "InFlight", "value": 4]]
                try await local.client.apply(Samples.models, model)
                let leader = try await Self.leader(local)
                let other = try #require(operators.keys.first { $0 != leader })
                try await Self.register(local, address: other)

                let first = try await Self.items(local)
                #expect(first.first?.at("metricLabels", "modelfleet.dev/model") == "iris")
                let found = try await local.client.get(.apiServices, Self.apiService)
                #expect(found["spec", "caBundle"]?.string?.isEmpty == false)

                operators[leader]?.send(SIGKILL)
                _ = try await eventually(within: .seconds(60), "the other process leads") {
                    try await Self.leader(local) == other ? true : nil
                }
                #expect(try await !Self.items(local).isEmpty)
                for process in operators.values { await process.stop() }
            }
        }

        /// The items that the API server gets, once there are some.
        private static func items(_ local: LocalRun) async throws -> [JSONValue] {
            var last = ""
            return try await eventually(within: .seconds(60), "a value of the model", seen: { "Last: \(last)" }) {
                do throws(KubeError) {
                    return try await local.client.raw(.get, path)["items"]?.array
                } catch {
                    last = error.message
                    return nil
                }
            }
        }

        /// Where the process that leads answers.
        private static func leader(_ local: LocalRun) async throws -> String {
            try await eventually(within: .seconds(40), "a leader that says where it answers") {
                let lease = try await local.client.find(.leases, Self.lease)
                guard lease?["spec", "holderIdentity"]?.string?.isEmpty == false else { return nil }
                return lease?.annotation("modelfleet.dev/address")
            }
        }

        /// Makes the Service lead to this one process only.
        private static func register(_ local: LocalRun, address: String) async throws {
            let name = "modelfleet-operator-metrics"
            var service = KubeObject(.services, namespace: "default", name: name)
            service["spec"] = ["ports": [["name": "https", "port": 443]]]
            try await local.client.apply(.services, service)
            var slice = KubeObject(.endpointSlices, namespace: "default", name: name)
            slice.labels = ["kubernetes.io/service-name": name]
            slice["addressType"] = "IPv4"
            slice["ports"] = [["name": "https", "port": 6443, "protocol": "TCP"]]
            slice["endpoints"] = [["addresses": [.string(String(address.prefix { $0 != ":" }))]]]
            try await local.client.apply(.endpointSlices, slice)
            var apiService = KubeObject(.apiServices, namespace: nil, name: Self.apiService.name)
            apiService["spec"] = [
                "group": "external.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100,
                "versionPriority": 100, "service": ["name": .string(name), "namespace": "default"],
            ]
            try await local.client.apply(.apiServices, apiService)
        }

        private static func start(_ local: LocalRun, host: String) throws -> ProgramRun {
            try ProgramRun(
                Programs.modelfleet(),
                [
                    "operator", "--kubeconfig", local.kubeconfig, "--stop-with-parent", "--log-level", "warning",
                    "--leader-elect", "--leader-elect-lease-duration", "4s", "--leader-elect-renew-deadline", "3s",
                    "--leader-elect-retry-period", "1s", "--metrics-api-port", "6443", "--metrics-api-host", host,
                ],
                folder: local.folder
            )
        }

        /// A loopback address that nobody else uses, as far as chance goes.
        private static func address() -> String {
            "127.\(Int.random(in: 128...254)).\(Int.random(in: 0...255)).\(Int.random(in: 1...254))"
        }
    }
}
