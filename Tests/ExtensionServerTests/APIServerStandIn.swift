// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Synchronization
import TransportSecurity

@testable import ExtensionServer

/// An API server that knows one token, lets one user read metrics, and counts what it is asked.
final class APIServerStandIn: HTTPExchange {
    /// What it does.
    struct State {
        /// The data of the ConfigMap; `nil` where there is none.
        var settings: JSONValue?
        /// Whether it answers at all.
        var answers = true
        /// The reviews that it was asked for.
        var reviews: [JSONValue] = []
    }

    /// What it does.
    let state = Mutex(State())

    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        guard state.withLock({ $0.answers }) else { throw CancellationError() }
        let bytes = try await request.body.collect(upTo: 1 << 20)
        let body = bytes.isEmpty ? JSONValue.null : try JSONValue(parsing: bytes)
        switch request.path {
        case "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication":
            guard let data = state.withLock({ $0.settings }) else {
                return Self.json(404, APIStatus(code: 404, reason: "NotFound", message: "no such map").json)
            }
            return Self.json(200, ["apiVersion": "v1", "kind": "ConfigMap", "data": data])
        case "/apis/authentication.k8s.io/v1/tokenreviews":
            state.withLock { $0.reviews.append(body) }
            guard body.at("spec", "token") == "right" else {
                return Self.json(201, ["status": ["authenticated": false, "error": "no such token"]])
            }
            let user: JSONValue = ["username": "hpa", "uid": "7", "groups": ["readers"], "extra": ["Key": ["v"]]]
            return Self.json(201, ["status": ["authenticated": true, "user": user]])
        case "/apis/authorization.k8s.io/v1/subjectaccessreviews":
            state.withLock { $0.reviews.append(body) }
            let isAllowed = body.at("spec", "user") == "hpa"
            return Self.json(201, ["status": ["allowed": .bool(isAllowed), "reason": isAllowed ? "" : "not a reader"]])
        default: return Self.json(404, APIStatus(code: 404, reason: "NotFound", message: "no such path").json)
        }
    }

    private static func json(_ code: Int, _ json: JSONValue) -> HTTPResponseMessage {
        HTTPResponseMessage(
            status: HTTPResponse.Status(code: code),
            contentType: "application/json",
            bytes: json.encoded()
        )
    }
}

/// An extension server that says who asked for what, over an `APIServerStandIn`.
struct Extension: Sendable {
    /// What it asks.
    let api = APIServerStandIn()
    /// The time.
    let time: ManualTime
    /// What the process that it is part of sends its own requests with.
    let client: KubeClient
    /// The server.
    let server: ExtensionServer

    /// - Parameter exchange: what is asked instead of `api`.
    init(exchange: (any HTTPExchange)? = nil, time: ManualTime = ManualTime()) {
        self.time = time
        client = KubeClient(exchange: exchange ?? api, retries: 0, time: time)
        server = ExtensionServer(
            ClosureExchange { request in
                let isPeer = request.head.headerFields[ExtensionServer.peerMark] != nil
                return HTTPResponseMessage(status: .ok, text: "\(isPeer ? "peer " : "")\(request.path)")
            },
            client: client,
            time: time,
            isPeer: { $0 == ["peer"] }
        )
    }

    /// What it answers: the code, and the text or the message of the `Status`.
    func get(
        _ path: String,
        fields: HTTPFields = [:],
        certificates: [String] = []
    ) async throws -> (code: Int, text: String) {
        var request = HTTPRequestMessage(
            head: HTTPRequest(method: .get, scheme: "https", authority: "a", path: path, headerFields: fields)
        )
        request.clientCertificates = certificates
        let response = try await server.exchange(request)
        let bytes = try await response.body.collect(upTo: 1 << 20)
        let text = String(decoding: bytes, as: UTF8.self)
        let status = (try? JSONValue(parsing: bytes)).flatMap { APIStatus($0) }
        return (response.head.status.code, status?.message ?? text)
    }
}
