// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("Acting as another user, as kubectl --as does")
struct ImpersonationTests {
    private static let bob = ["Impersonate-User": "bob"]
    private static let administrator = ["Impersonate-User": "eve", "Impersonate-Group": "system:masters"]

    private static let reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    @Test(
        "a user without a role is refused in the real server's words",
        arguments: [
            (
                HTTPRequest.Method.get, "/api/v1/namespaces/default/pods",
                #"pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default""#
            ),
            (
                .get, "/api/v1/pods?watch=true",
                #"pods is forbidden: User "bob" cannot watch resource "pods" in API group "" at the cluster scope"#
            ),
            (
                .get, "/apis/apps/v1/namespaces/a/deployments/web/scale",
                #"deployments.apps "web" is forbidden: User "bob" cannot get resource "deployments/scale" "#
                    + #"in API group "apps" in the namespace "a""#
            ),
            (
                .delete, "/api/v1/namespaces/a",
                #"namespaces "a" is forbidden: User "bob" cannot delete resource "namespaces" in API group "" "#
                    + #"in the namespace "a""#
            ),
            (.get, "/metrics", #"forbidden: User "bob" cannot get path "/metrics""#),
        ]
    )
    func refused(_ method: HTTPRequest.Method, _ path: String, _ message: String) async throws {
        let answer = try await TestClient().json(method, path, headers: Self.bob)
        #expect(answer.code == 403)
        #expect(answer.body["reason"] == "Forbidden")
        #expect(answer.body["message"]?.string == message)
    }

    @Test("everybody may look at what there is, and ask who they are and what they may do")
    func open() async throws {
        let client = TestClient()
        for path in ["/api", "/api/v1", "/apis", "/apis/apps/v1", "/openapi/v3", "/version", "/readyz"] {
            #expect(await client.send(.get, path, headers: Self.bob).head.status == .ok, "\(path)")
        }
        let who = try await client.json(
            .post,
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            [:],
            headers: Self.bob
        ).body.at("status", "userInfo")
        #expect(who == ["username": "bob", "groups": ["system:authenticated"]])
        let question: JSONValue = ["spec": ["resourceAttributes": ["verb": "list", "resource": "pods"]]]
        for (headers, allowed) in [(Self.bob, false), (Self.administrator, true), ([:], true)] {
            let review = try await client.json(.post, Self.reviews, question, headers: headers).body
            #expect(review.at("status", "allowed") == .bool(allowed))
        }
    }

    @Test("who acts as an administrator may do everything")
    func administrator() async throws {
        let answer = try await TestClient().json(.get, "/api/v1/pods", headers: Self.administrator)
        #expect(answer.code == 200)
    }
}
