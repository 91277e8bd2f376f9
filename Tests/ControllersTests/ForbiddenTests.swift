// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeServer
import KubeTesting
import Synchronization
import Testing

@testable import Controllers

/// What becomes of a model where the cluster takes a right of the operator away.
@Suite("What the operator may not do", .timeLimit(.minutes(5)))
struct ForbiddenTests {
    /// An API server that refuses some requests.
    private final class Guarded: HTTPExchange {
        private let server: APIServer
        private let refuses = Mutex<(method: HTTPRequest.Method, path: String)?>(nil)

        init(_ server: APIServer) { self.server = server }

        /// From now on, requests with this method and with this in their path are refused; without any, none.
        func refuse(_ method: HTTPRequest.Method, _ path: String?) {
            refuses.withLock { $0 = path.map { (method, $0) } }
        }

        func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
            let rule = refuses.withLock { $0 }
            guard let rule, request.head.method == rule.method, request.head.path?.contains(rule.path) == true else {
                return try await server.exchange(request)
            }
            let status = APIStatus(code: 403, reason: "Forbidden", message: "\(rule.path) is forbidden: no RBAC rule")
            var response = HTTPResponseMessage(
                status: .forbidden,
                text: String(decoding: status.json.encoded(), as: UTF8.self)
            )
            response.head.headerFields[.contentType] = "application/json"
            return response
        }
    }

    private static func message(_ harness: ReconcilerHarness, _ type: String) async throws -> (String, String) {
        let condition = ConditionSet(try await harness.get(.modelDeployments, "m"))[type]
        return (condition?.reason ?? "", condition?.message ?? "")
    }

    @Test("a right to read that is missing is said in the model's status, and forgotten when it is back")
    func reading() async throws {
        let server = Guarded(APIServer())
        let harness = try await ReconcilerHarness(exchange: server)
        server.refuse(.get, "/deployments/m-r1")
        // The first writes the revision's number before it looks, and with it a status that it can't turn yet.
        for _ in 0..<2 { await #expect(throws: KubeError.self) { try await harness.reconcile() } }
        let (reason, message) = try await Self.message(harness, "Ready")
        #expect(reason == "Forbidden")
        #expect(message.contains("cannot get deployments.apps"))
        #expect(message.contains("manifests/install/clusterrole.yaml"))
        let before = try await harness.versions()
        await #expect(throws: KubeError.self) { try await harness.reconcile() }
        #expect(try await harness.versions() == before, "said once")
        #expect(try await harness.get(.modelDeployments, "m")["status", "latestRevision", "number"]?.int == 1)
        server.refuse(.get, nil)
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        #expect(try await Self.message(harness, "Ready").0 == "Serving")
    }

    @Test("a revision that serves goes on being said to serve")
    func serving() async throws {
        let server = Guarded(APIServer())
        let harness = try await ReconcilerHarness(exchange: server)
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        server.refuse(.get, "/deployments/m-r2")
        for _ in 0..<2 { await #expect(throws: KubeError.self) { try await harness.reconcile() } }
        let model = ConditionSet(try await harness.get(.modelDeployments, "m"))
        #expect(model["Ready"]?.status == .isTrue)
        #expect(model["RolloutHealthy"]?.reason == "Forbidden")
    }
}
