// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeTesting
import Synchronization
import Testing

@Suite("Kubeconfig", .timeLimit(.minutes(5)))
struct KubeConfigurationTests {
    private static let first = """
        apiVersion: v1
        kind: Config
        current-context: prod
        contexts:
        - {name: prod, context: {cluster: c1, user: token, namespace: shop}}
        - {name: files, context: {cluster: c2, user: file}}
        - {name: exec, context: {cluster: c1, user: exec}}
        - {name: half, context: {cluster: c1, user: half}}
        - {name: lost, context: {cluster: nowhere, user: token}}
        clusters:
        - {name: c1, cluster: {server: "https://one:6443", certificate-authority-data: UEVN, tls-server-name: api}}
        users:
        - {name: token, user: {token: secret}}
        - name: exec
          user:
            exec:
              apiVersion: client.authentication.k8s.io/v1
              command: ./bin/login
              args: [get]
              env: [{name: A, value: b}]
              installHint: get it at example.com
              provideClusterInfo: true
        - {name: half, user: {client-certificate-data: UEVN}}
        """
    private static let second = """
        current-context: other
        contexts:
        - {name: prod, context: {cluster: c2, user: file}}
        clusters:
        - {name: c2, cluster: {server: "http://two", certificate-authority: ca.pem, proxy-url: "http://proxy"}}
        users:
        - {name: file, user: {tokenFile: token.txt}}
        """

    private func system(_ files: [String: String] = [:]) -> HostSystem {
        let all = ["/a/one": Self.first, "/b/two": Self.second, "/b/ca.pem": "CA"].merging(files) { $1 }
        return HostSystem(readFile: { path in all[path].map { Array($0.utf8) } })
    }

    private func load(_ context: String? = nil, _ path: String = "/a/one:/b/two") throws -> ClusterConnection {
        try KubeConfiguration.load(environment: ["KUBECONFIG": path], context: context, system: system())
    }

    @Test("several files are merged, the first wins, and missing ones are passed over")
    func merging() throws {
        let connection = try load(nil, "/missing:/a/one:/b/two")
        #expect(connection.server == "https://one:6443")
        #expect(connection.namespace == "shop")
        #expect(connection.credentials == .token("secret"))
        #expect(connection.tls.authorities == "PEM" && connection.tls.serverName == "api")
    }

    @Test("relative paths belong to the file that they stand in")
    func relative() throws {
        let connection = try load("files")
        #expect(connection.credentials == .tokenFile("/b/token.txt"))
        #expect(connection.tls.authorities == "CA" && connection.proxy == "http://proxy")
        #expect(connection.namespace == "default")
    }

    @Test("a plugin is read with its arguments, variables and cluster")
    func plugin() throws {
        guard case .exec(let plugin) = try load("exec").credentials else {
            Issue.record("no plugin")
            return
        }
        #expect(plugin.command == "/a/./bin/login" && plugin.arguments == ["get"] && plugin.environment == ["A": "b"])
        #expect(plugin.execInfo.at("spec", "cluster", "server") == "https://one:6443")
        #expect(plugin.execInfo.at("spec", "cluster", "certificate-authority-data") == "UEVN")
    }

    @Test(
        "errors name the file or context, and the next step",
        arguments: [
            ("absent", "/a/one", "there are: exec, files, half, lost, prod"), ("lost", "/a/one", "\"nowhere\""),
            ("half", "/a/one", "client-key together"), ("files", "/a/one", "\"c2\""),
            ("prod", "/missing", "set KUBECONFIG"),
        ]
    )
    func errors(context: String, path: String, expected: String) {
        let error = #expect(throws: ConfigurationError.self) { try load(context, path) }
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
    }

    @Test("without a variable the file of the home folder is read; an explicit one must exist")
    func defaults() throws {
        let home = system(["/home/u/.kube/config": Self.first])
        #expect(try KubeConfiguration.load(environment: ["HOME": "/home/u"], system: home).server == "https://one:6443")
        #expect(throws: ConfigurationError.self) {
            try KubeConfiguration.load(environment: [:], explicitPath: "/missing", system: home)
        }
    }

    @Test(
        "a kubeconfig that leads nowhere says why, and what to do",
        arguments: [
            (["/k": ""], nil, "/k has no context; check that it is the kubeconfig that you mean"),
            (
                ["/k": "{contexts: [{name: a, context: {cluster: c}}, {name: b, context: {cluster: c}}]}"], nil,
                "/k has no current-context; name one with --context; there are: a, b"
            ),
            (["/k": "{contexts: [{name: a, context: {cluster: c}}]}"], "x", "/k has no context \"x\"; there are: a"),
        ] as [([String: String], String?, String)]
    )
    func noContext(files: [String: String], context: String?, message: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try KubeConfiguration.load(environment: [:], explicitPath: "/k", context: context, system: system(files))
        }
        #expect(error?.message == message)
    }

    @Test("a pod finds its own cluster")
    func inCluster() throws {
        let folder = "/var/run/secrets/kubernetes.io/serviceaccount"
        let pod = system(["\(folder)/token": "t", "\(folder)/ca.crt": "CA", "\(folder)/namespace": "fleet\n"])
        let environment = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"]
        let connection = try KubeConfiguration.discover(environment: environment, system: pod)
        #expect(connection.server == "https://[fd00::1]:443" && connection.namespace == "fleet")
        #expect(connection.credentials == .tokenFile("\(folder)/token") && connection.tls.authorities == "CA")
    }

    @Test("in a pod a kubeconfig of the home folder counts first, and a named context is in one or nowhere")
    func kubeconfigInPod() throws {
        let token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
        let environment = ["KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "443", "HOME": "/home/u"]
        func discover(_ files: [String: String], context: String? = nil) throws -> String {
            let connection = try KubeConfiguration.discover(
                environment: environment,
                context: context,
                system: system([token: "t"].merging(files) { $1 })
            )
            return connection.server
        }
        #expect(try discover([:]) == "https://h:443")
        #expect(try discover(["/home/u/.kube/config": ""]) == "https://h:443")
        #expect(try discover(["/home/u/.kube/config": Self.first]) == "https://one:6443")
        let error = #expect(throws: ConfigurationError.self) { try discover([:], context: "prod") }
        #expect(error?.message.contains("found no kubeconfig at /home/u/.kube/config") == true)
    }

    @Test("while a token file is missing or empty, the token that it had holds", arguments: [nil, "", " \n"])
    func lostTokenFile(later: String?) async throws {
        let content = Mutex<String?>("one")
        let time = ManualTime()
        let system = HostSystem(readFile: { _ in content.withLock { $0 }.map { Array($0.utf8) } })
        func exchange(_ base: ScriptedExchange) -> AuthorizingExchange {
            AuthorizingExchange(base, credentials: .tokenFile("/t"), system: system, time: time)
        }
        let base = ScriptedExchange(Array(repeating: .json(200, [:]), count: 3))
        let first = exchange(base)
        _ = try await first.exchange(request())
        content.withLock { $0 = later }
        time.advance(by: .seconds(10))
        _ = try await first.exchange(request())
        let fresh = exchange(ScriptedExchange([]))
        await #expect(throws: ConfigurationError.self) { try await fresh.exchange(request()) }
        content.withLock { $0 = "two" }
        time.advance(by: .seconds(10))
        _ = try await first.exchange(request())
        #expect(base.sent.map { $0.fields[.authorization] } == ["Bearer one", "Bearer one", "Bearer two"])
    }

    private func client(
        _ time: ManualTime,
        plugin: @escaping @Sendable () async throws -> HostSystem.ProgramResult
    ) -> KubeClient {
        let exchange = AuthorizingExchange(
            ScriptedExchange([.json(200, ["metadata": ["name": "a"]])]),
            credentials: .exec(ExecPlugin(command: "login")),
            system: HostSystem(readFile: { _ in nil }, runProgram: { _, _, _ in try await plugin() }),
            time: time
        )
        return KubeClient(exchange: exchange, backoff: Backoff(initial: .zero), time: time)
    }

    @Test("a failing plugin is no silence of the server, and isn't run again by the same call")
    func failingPlugin() async {
        let runs = Mutex(0)
        let client = client(ManualTime()) {
            runs.withLock { $0 += 1 }
            return HostSystem.ProgramResult(status: 1, output: [], errors: "not logged in\n")
        }
        let error = await #expect(throws: KubeError.self) {
            try await client.get(.pods, ObjectKey(namespace: "n", name: "a"))
        }
        #expect(error?.code == .credentials && error?.disposition == .terminal)
        #expect(error?.message == "the credential plugin login failed with status 1: not logged in")
        #expect(runs.withLock { $0 } == 1)
    }

    @Test("a plugin may take longer than a request")
    func slowPlugin() async throws {
        let time = ManualTime()
        let client = client(time) {
            try await time.sleep(for: .seconds(45))
            let answer: JSONValue = [
                "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": ["token": "t"],
            ]
            return HostSystem.ProgramResult(status: 0, output: answer.encoded())
        }
        async let answer = client.get(.pods, ObjectKey(namespace: "n", name: "a"))
        // The plugin's own sleep, and its limit.
        await time.waitForSleepers(2)
        time.advance(by: .seconds(45))
        #expect(try await answer.name == "a")
    }

    private func request() -> HTTPRequestMessage {
        HTTPRequestMessage(head: HTTPRequest(method: .get, scheme: "https", authority: "a", path: "/"))
    }

    @Test("a token file is read again when it changed, at most every ten seconds")
    func tokenFile() async throws {
        let token = Mutex("one\n")
        let time = ManualTime()
        let system = HostSystem(
            readFile: { _ in Array(token.withLock { $0 }.utf8) },
            fileStamp: { _ in token.withLock { $0 } }
        )
        let base = ScriptedExchange(Array(repeating: .json(200, [:]), count: 3))
        let exchange = AuthorizingExchange(base, credentials: .tokenFile("/t"), system: system, time: time)
        _ = try await exchange.exchange(request())
        token.withLock { $0 = "two" }
        _ = try await exchange.exchange(request())
        time.advance(by: .seconds(10))
        _ = try await exchange.exchange(request())
        #expect(base.sent.map { $0.fields[.authorization] } == ["Bearer one", "Bearer one", "Bearer two"])
    }

    @Test("a plugin runs once, again when its token expired, and once after 401")
    func execution() async throws {
        let runs = Mutex(0)
        let time = ManualTime()
        let system = HostSystem(
            readFile: { _ in nil },
            runProgram: { _, _, _ in
                let run = runs.withLock { runs in
                    runs += 1
                    return runs
                }
                let expires = (time.now() + .seconds(60)).rfc3339
                let json: JSONValue = [
                    "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                    "status": ["token": .string("t\(run)"), "expirationTimestamp": .string(expires)],
                ]
                return HostSystem.ProgramResult(status: 0, output: json.encoded())
            }
        )
        let base = ScriptedExchange([
            .json(200, [:]), .json(200, [:]), .json(200, [:]), .json(401, [:]), .json(401, [:]),
        ])
        let exchange = AuthorizingExchange(
            base,
            credentials: .exec(ExecPlugin(command: "login")),
            system: system,
            time: time
        )
        _ = try await exchange.exchange(request())
        _ = try await exchange.exchange(request())
        time.advance(by: .seconds(61))
        _ = try await exchange.exchange(request())
        let last = try await exchange.exchange(request())
        #expect(last.head.status.code == 401)
        let tokens = base.sent.map { $0.fields[.authorization] ?? "" }
        #expect(tokens == ["Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2", "Bearer t3"])
    }

    @Test("a plugin that isn't there is an error with its hint")
    func missingPlugin() async {
        let exchange = AuthorizingExchange(
            ScriptedExchange([]),
            credentials: .exec(ExecPlugin(command: "login", installHint: "see example.com")),
            system: HostSystem(readFile: { _ in nil })
        )
        let error = await #expect(throws: ConfigurationError.self) { try await exchange.exchange(request()) }
        #expect(error?.message == "the credential plugin login isn't installed: see example.com")
    }
}
