// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Synchronization
import Testing
import TransportSecurity

@testable import ExtensionServer

@Suite("An extension API server lets in whom the API server vouches for")
struct ExtensionServerTests {
    private static let path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue"

    private static func client(_ name: String, at time: ManualTime) throws -> CertificateBundle {
        try CertificateBundle.makeClient(
            commonName: name,
            now: time.now(),
            validity: .seconds(3600),
            random: SeededRandom(seed: 1)
        )
    }

    private static func settings(_ proxy: CertificateBundle, names: String = #"["proxy"]"#) -> JSONValue {
        [
            "requestheader-client-ca-file": .string(proxy.authority), "requestheader-allowed-names": .string(names),
            "requestheader-username-headers": #"["X-Remote-User"]"#, "requestheader-uid-headers": #"["X-Remote-Uid"]"#,
            "requestheader-group-headers": #"["X-Remote-Group"]"#,
            "requestheader-extra-headers-prefix": #"["X-Remote-Extra-"]"#,
        ]
    }

    private static func fields(_ pairs: KeyValuePairs<String, String>) -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in pairs {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        return fields
    }

    @Test(
        "a front proxy's certificate makes its headers count: name, groups and facts reach the review of what is wanted"
    )
    func frontProxy() async throws {
        let world = Extension()
        let proxy = try Self.client("proxy", at: world.time)
        world.api.state.withLock { $0.settings = Self.settings(proxy) }
        let answer = try await world.get(
            Self.path,
            fields: Self.fields([
                "X-Remote-User": "hpa", "X-Remote-Uid": "9", "X-Remote-Group": "a", "x-remote-group": "b",
                "X-Remote-Extra-Scopes%2Fone": "s",
            ]),
            certificates: [proxy.certificate]
        )
        #expect(answer == (200, Self.path))
        let review = try #require(world.api.state.withLock { $0.reviews.first })
        #expect(
            review["spec"] == [
                "user": "hpa", "uid": "9", "groups": ["a", "b", "system:authenticated"],
                "extra": ["scopes/one": ["s"]],
                "resourceAttributes": [
                    "verb": "list", "group": "external.metrics.k8s.io", "version": "v1beta1", "resource": "queue",
                    "namespace": "shop",
                ],
            ]
        )
    }

    @Test("headers without the certificate, with a stranger's, an expired one, or one of another name don't count")
    func strangers() async throws {
        let world = Extension()
        let proxy = try Self.client("proxy", at: world.time)
        let stranger = try Self.client("proxy", at: world.time)
        world.api.state.withLock { $0.settings = Self.settings(proxy) }
        let root = Self.fields(["X-Remote-User": "root", "X-Remote-Group": "system:masters"])
        let nobody = try await world.get(Self.path, fields: root)
        #expect(nobody.code == 403)
        #expect(nobody.text.contains(#"User "system:anonymous" cannot list resource "queue""#), "\(nobody.text)")
        let foreign = try await world.get(Self.path, fields: root, certificates: [stranger.certificate])
        #expect(foreign.code == 401 && foreign.text.contains("isn't trusted"), "\(foreign.text)")
        let other = Extension()
        other.api.state.withLock { $0.settings = Self.settings(proxy, names: #"["other"]"#) }
        let renamed = try await other.get(Self.path, fields: root, certificates: [proxy.certificate])
        #expect(renamed.code == 401 && renamed.text.contains("proxy is no front proxy"), "\(renamed.text)")
        world.time.advance(by: .seconds(3600))
        let late = try await world.get(Self.path, fields: root, certificates: [proxy.certificate])
        #expect(late.code == 401 && late.text.contains("certificate has expired"), "\(late.text)")
    }

    @Test("authorities that are exchanged are read anew when a certificate isn't trusted")
    func rotated() async throws {
        let world = Extension()
        let (old, new) = (try Self.client("proxy", at: world.time), try Self.client("proxy", at: world.time))
        let masters = Self.fields(["X-Remote-User": "root", "X-Remote-Group": "system:masters"])
        world.api.state.withLock { $0.settings = Self.settings(old) }
        #expect(try await world.get(Self.path, fields: masters, certificates: [old.certificate]).code == 200)
        world.api.state.withLock { $0.settings = Self.settings(new) }
        world.time.advance(by: .seconds(6))
        #expect(try await world.get(Self.path, fields: masters, certificates: [new.certificate]).code == 200)
        #expect(world.api.state.withLock { $0.reviews.isEmpty }, "administrators need no review")
    }

    @Test("a bearer token is reviewed once in ten seconds, and so is what its owner may do; a wrong one is refused")
    func tokens() async throws {
        let world = Extension()
        let right = Self.fields(["Authorization": "Bearer right"])
        for _ in 0..<3 { #expect(try await world.get(Self.path, fields: right) == (200, Self.path)) }
        #expect(world.api.state.withLock { $0.reviews.count } == 2)
        let access = world.api.state.withLock { $0.reviews[1] }
        #expect(access.at("spec", "extra") == ["key": ["v"]])
        let wrong = try await world.get(Self.path, fields: Self.fields(["Authorization": "Bearer wrong"]))
        #expect(wrong == (401, "Unauthorized: the bearer token isn't valid here"))
        world.time.advance(by: .seconds(11))
        #expect(try await world.get(Self.path, fields: right).code == 200)
        #expect(world.api.state.withLock { $0.reviews.count } == 5)
        // An API server that is away lets nobody in whom it doesn't vouch for any more.
        world.time.advance(by: .seconds(11))
        world.api.state.withLock { $0.answers = false }
        let away = try await world.get(Self.path, fields: right)
        #expect(away.code == 401 && away.text.contains("can't be reviewed"), "\(away.text)")
    }

    @Test("who may not read gets 403 with the reason, for resources and for other paths; health paths are open")
    func forbidden() async throws {
        let world = Extension()
        let anonymous = try await world.get("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/p/queue")
        #expect(
            anonymous == (
                403,
                #"pods.custom.metrics.k8s.io "p" is forbidden: User "system:anonymous" cannot get resource "pods/queue" "#
                    + #"in API group "custom.metrics.k8s.io" in the namespace "shop": not a reader"#
            )
        )
        let root = try await world.get("/apis")
        #expect(root == (403, #"forbidden: User "system:anonymous" cannot get path "/apis": not a reader"#))
        for path in ["/healthz", "/livez", "/readyz"] { #expect(try await world.get(path) == (200, "ok")) }
        world.api.state.withLock { $0.answers = false }
        let unasked = try await world.get("/apis/a/b/c")
        #expect(unasked.code == 500 && unasked.text.contains("can't be asked"), "\(unasked.text)")
    }

    @Test(
        "a flood of strangers is refused once many wait for their review; who has a token, and the process itself, go on",
        .timeLimit(.minutes(1))
    )
    func flood() async throws {
        let time = ManualTime()
        let stuck = ClosureExchange { request in
            let bytes = try await request.body.collect(upTo: 1 << 20)
            let body = bytes.isEmpty ? JSONValue.null : try JSONValue(parsing: bytes)
            // The API server never comes to the reviews of strangers.
            if body.at("spec", "user") == "system:anonymous" { try await time.sleep(for: .seconds(86_400)) }
            let user: JSONValue = ["username": "hpa"]
            let json: JSONValue = ["status": ["authenticated": true, "user": user, "allowed": true]]
            return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: json.encoded())
        }
        let world = Extension(exchange: stuck, time: time)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<Reviews.most + 50 {
                group.addTask { try await world.get("/apis/a/b/\(number)").code }
            }
            for try await code in group.prefix(50) { #expect(code == 429) }
            let right = Self.fields(["Authorization": "Bearer right"])
            #expect(try await world.get(Self.path, fields: right) == (200, Self.path))
            _ = try await world.client.raw(.get, "/apis/apps/v1/namespaces/shop/deployments/d")
            #expect(world.client.limiter?.snapshot.inFlight == 0)
            group.cancelAll()
        }
    }

    @Test("an API server that wants a pause from reviews gets one, and the requests of the process itself go on")
    func pushBack() async throws {
        let busy = ClosureExchange { request in
            guard request.head.method == .post else { return HTTPResponseMessage(status: .ok, text: "{}") }
            let status = APIStatus(code: 429, reason: "TooManyRequests", message: "busy", retryAfterSeconds: 30)
            return ExtensionServer.response(status)
        }
        let world = Extension(exchange: busy)
        #expect(try await world.get("/apis/a/b/c") == (429, "busy"))
        try #require(world.client.limiter?.snapshot.pushBacks == 0)
        let token = Self.fields(["Authorization": "Bearer right"])
        #expect(try await world.get(Self.path, fields: token) == (429, "busy"))
        try #require(world.client.limiter?.snapshot.pushBacks == 0)
        _ = try await world.client.raw(.get, "/apis/apps/v1/namespaces/shop/deployments/d")
    }

    @Test("another process of the server is let in by its certificate, and the mark of one is taken off everybody else")
    func peers() async throws {
        let world = Extension()
        let mark = Self.fields(["X-Modelfleet-Peer": "1", "Authorization": "Bearer right"])
        #expect(try await world.get(Self.path, fields: mark, certificates: ["peer"]) == (200, "peer \(Self.path)"))
        #expect(world.api.state.withLock { $0.reviews.isEmpty })
        #expect(try await world.get(Self.path, fields: mark) == (200, Self.path))
    }

    @Test("a ConfigMap with lists that aren't lists is not used")
    func brokenSettings() {
        let data: JSONValue = ["requestheader-client-ca-file": "PEM", "requestheader-allowed-names": "proxy"]
        #expect(throws: UnreadableSettings.self) { try AuthenticationSettings(KubeObject(["data": data])) }
        #expect(throws: Never.self) { try AuthenticationSettings(KubeObject(["data": [:]])) }
    }
}
