// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeTesting
import Synchronization
import Testing

@Suite("Credential plugins as real programs", .timeLimit(.minutes(5)))
struct CredentialTests {
    /// Runs `body` with a program made of a shell script.
    private func withScript(_ script: String, _ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "plugin-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appending(path: "login")
        try Data("#!/bin/sh\n\(script)\n".utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
        do { try await body(file.path) } catch {
            try? FileManager.default.removeItem(at: folder)
            throw error
        }
        try FileManager.default.removeItem(at: folder)
    }

    private func request() -> HTTPRequestMessage {
        HTTPRequestMessage(head: HTTPRequest(method: .get, scheme: "https", authority: "a", path: "/"))
    }

    private func exchange(
        _ plugin: ExecPlugin,
        _ base: ScriptedExchange = ScriptedExchange([.json(200, [:])]),
        time: any TimeSource = SystemTime()
    ) -> AuthorizingExchange {
        AuthorizingExchange(base, credentials: .exec(plugin), time: time)
    }

    private static let answer = #"{"apiVersion":"client.authentication.k8s.io/VERSION","kind":"ExecCredential","#

    @Test("a plugin finds its variables and the cluster, and its token is used", arguments: ["v1", "v1beta1"])
    func token(version: String) async throws {
        let answer = Self.answer.replacing("VERSION", with: version)
        let script = """
            case "$KUBERNETES_EXEC_INFO" in *'"server":"https://one"'*) server=one;; *) server=none;; esac
            printf '%s"status":{"token":"%s-%s-%s"}}' '\(answer)' "$A" "$1" "$server"
            """
        try await withScript(script) { path in
            let plugin = ExecPlugin(
                apiVersion: "client.authentication.k8s.io/\(version)",
                command: path,
                arguments: ["get"],
                environment: ["A": "b"],
                clusterInfo: ["server": "https://one"]
            )
            let base = ScriptedExchange([.json(200, [:])])
            _ = try await exchange(plugin, base).exchange(request())
            #expect(base.sent.first?.fields[.authorization] == "Bearer b-get-one")
        }
    }

    @Test("a client certificate from the plugin makes an exchange that speaks with it")
    func certificate() async throws {
        let answer = Self.answer.replacing("VERSION", with: "v1")
        let script = """
            printf '%s"status":{"clientCertificateData":"CERT","clientKeyData":"KEY"}}' '\(answer)'
            """
        try await withScript(script) { path in
            let made = Mutex<[String]>([])
            let certified = ScriptedExchange([.json(200, [:]), .json(200, [:])])
            let exchange = AuthorizingExchange(
                ScriptedExchange([]),
                credentials: .exec(ExecPlugin(command: path)),
                certifiedExchange: { certificate, key in
                    made.withLock { $0.append("\(certificate) \(key)") }
                    return certified
                }
            )
            _ = try await exchange.exchange(request())
            _ = try await exchange.exchange(request())
            #expect(made.withLock { $0 } == ["CERT KEY"])
            #expect(certified.sent.count == 2)
        }
    }

    @Test("a plugin that fails is an error with the last line it said")
    func failure() async throws {
        try await withScript("echo first >&2; echo 'token has expired, log in' >&2; exit 3") { path in
            let error = await #expect(throws: ConfigurationError.self) {
                try await exchange(ExecPlugin(command: path)).exchange(request())
            }
            #expect(error?.message.hasSuffix("failed with status 3: token has expired, log in") == true)
        }
    }

    @Test("much output blocks neither the plugin nor us; what is no credential is an error")
    func largeOutput() async throws {
        try await withScript("head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero >&2") { path in
            let error = await #expect(throws: ConfigurationError.self) {
                try await exchange(ExecPlugin(command: path)).exchange(request())
            }
            #expect(error?.message.contains("printed no ExecCredential") == true)
        }
    }

    @Test("a plugin that leaves a program behind is over when it is over itself")
    func leftBehind() async throws {
        let answer = Self.answer.replacing("VERSION", with: "v1")
        try await withScript("sleep 30 & printf '%s\"status\":{\"token\":\"t\"}}' '\(answer)'") { path in
            let base = ScriptedExchange([.json(200, [:])])
            _ = try await exchange(ExecPlugin(command: path), base).exchange(request())
            #expect(base.sent.first?.fields[.authorization] == "Bearer t")
        }
    }

    @Test("a plugin that doesn't end is ended when its time is over, also when it ignores requests to")
    func timeout() async throws {
        try await withScript("trap '' TERM; while :; do sleep 1; done") { path in
            let time = ManualTime()
            async let failure = #expect(throws: ConfigurationError.self) {
                try await exchange(ExecPlugin(command: path), time: time).exchange(request())
            }
            while time.sleeperCount == 0, !Task.isCancelled { await Task.yield() }
            time.advance(by: .seconds(61))
            let error = await failure
            #expect(error?.message.contains("didn't answer within 60 seconds") == true)
        }
    }

    @Test("a user may act as another one")
    func impersonation() async throws {
        let text = """
            current-context: c
            contexts: [{name: c, context: {cluster: c, user: u}}]
            clusters: [{name: c, cluster: {server: "https://one"}}]
            users: [{name: u, user: {token: t, as: ann, as-groups: [dev, ops], as-user-extra: {"a/b": [x]}}}]
            """
        let system = HostSystem(readFile: { _ in Array(text.utf8) })
        let connection = try KubeConfiguration.load(environment: [:], explicitPath: "/c", system: system)
        let base = ScriptedExchange([.json(200, [:])])
        _ = try await AuthorizingExchange(
            base,
            credentials: connection.credentials,
            impersonation: connection.impersonation
        ).exchange(request())
        let fields = try #require(base.sent.first?.fields)
        func values(_ name: String) -> [String] { HTTPField.Name(name).map { fields[values: $0] } ?? [] }
        #expect(fields[.authorization] == "Bearer t")
        #expect(values("Impersonate-User") == ["ann"] && values("Impersonate-Group") == ["dev", "ops"])
        #expect(values("Impersonate-Extra-a%2Fb") == ["x"])
    }

    @Test(
        "proxies are chosen as Go's programs choose them",
        arguments: [
            ("https://api.example.com:6443", "", "http://p:1"), ("http://api.example.com", "", "http://q:2"),
            ("https://localhost:6443", "", nil), ("https://127.0.0.9:6443", "", nil), ("https://[::1]:6443", "", nil),
            ("https://api.example.com", "*", nil), ("https://api.example.com", "example.com", nil),
            ("https://example.com", "example.com", nil), ("https://notexample.com", "example.com", "http://p:1"),
            ("https://example.com", ".example.com", "http://p:1"), ("https://a.example.com", "*.example.com", nil),
            ("https://API.Example.com", " other, EXAMPLE.com ", nil),
            ("https://example.com:6443", "example.com:443", "http://p:1"),
            ("https://example.com", "example.com:443", nil),
            ("https://10.1.2.3:6443", "10.0.0.0/8", nil), ("https://11.1.2.3", "10.0.0.0/8", "http://p:1"),
            ("https://10.1.2.3", "10.1.2.3", nil), ("https://[fd00::12]:6443", "fd00::/8", nil),
            ("https://[fe00::12]:6443", "fd00::/8", "http://p:1"), ("https://10.1.2.3:1", "10.1.2.3:2", "http://p:1"),
            ("https://api.example.com", "10.0.0.0/99,,/", "http://p:1"),
        ] as [(String, String, String?)]
    )
    func proxies(server: String, exceptions: String, expected: String?) {
        let environment = ["HTTPS_PROXY": "p:1", "http_proxy": "http://q:2", "NO_PROXY": exceptions]
        #expect(ProxyRules(environment: environment).proxy(for: server) == expected)
    }
}
