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
            (.get, "/livez/etcd", #"forbidden: User "bob" cannot get path "/livez/etcd""#),
            (
                .get, "/api/v1/watch/namespaces/a/pods/web",
                #"pods "web" is forbidden: User "bob" cannot watch resource "pods" in API group "" in the namespace "a""#
            ),
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

    @Test("groups without a user to act as are refused, as everything else without one")
    func nobody() async throws {
        let claims = [
            "Impersonate-Group": "builders", "Impersonate-Uid": "7", "Impersonate-Extra-Acme.com%2FTeam": "blue",
        ]
        let answer = try await TestClient().json(.get, "/api/v1/pods", headers: claims)
        #expect(answer.code == 400)
        #expect(
            answer.body["message"]?.string == "requested [{Group  builders    } "
                + "{UserExtra  blue  authentication.k8s.io/v1  acme.com/team} {UID  7  authentication.k8s.io/v1  }] "
                + "without impersonating a user"
        )
    }

    @Test(
        "which groups a user is in that names none, or some",
        arguments: [
            ("bob", nil, ["system:authenticated"]),
            ("bob", "builders", ["builders", "system:authenticated"]),
            ("bob", "system:unauthenticated", ["system:unauthenticated"]),
            ("system:anonymous", nil, ["system:unauthenticated"]),
            (
                "system:serviceaccount:shop:web", nil,
                ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"]
            ),
            ("system:serviceaccount:shop:web", "builders", ["builders", "system:authenticated"]),
        ]
    )
    func groups(_ user: String, _ group: String?, _ expected: [String]) async throws {
        var headers = ["Impersonate-User": user, "Impersonate-Uid": "7", "Impersonate-Extra-Acme.com%2FTeam": "blue"]
        headers["Impersonate-Group"] = group
        let review = try await TestClient().json(
            .post,
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            [:],
            headers: headers
        )
        let info = review.body.at("status", "userInfo")
        #expect(info?["groups"] == .array(expected.map(JSONValue.string)))
        #expect(info?["uid"] == "7")
        #expect(info?["extra"] == ["acme.com/team": ["blue"]])
    }
}
