// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import HTTPMessages
internal import KubeModel

extension KubeConfiguration {
    /// The connection of a context; of the current one where `name` is `nil`.
    /// - Throws: `ConfigurationError` that names the file, the context and what to do.
    public func connection(
        context name: String? = nil,
        environment: [String: String] = [:],
        system: HostSystem = .real
    ) throws -> ClusterConnection {
        let (name, context) = try context(name)
        let clusterName = context.json["cluster"]?.string ?? ""
        guard let cluster = clusters[clusterName] else {
            throw ConfigurationError(
                "context \"\(name)\" of \(context.file) names the cluster \"\(clusterName)\", which no kubeconfig has"
            )
        }
        guard let server = cluster.json["server"]?.string, !server.isEmpty else {
            throw ConfigurationError("cluster \"\(clusterName)\" of \(cluster.file) has no server")
        }
        var tls = TLSSettings()
        tls.authorities = try pem(cluster, "certificate-authority", system, owner: "cluster \"\(clusterName)\"")
        tls.verifiesPeer = cluster.json["insecure-skip-tls-verify"]?.bool != true
        tls.serverName = nonEmpty(cluster, "tls-server-name")
        let user = try user(of: name, context)
        let owner = "user \"\(context.json["user"]?.string ?? "")\""
        if let user {
            tls.certificate = try pem(user, "client-certificate", system, owner: owner)
            tls.privateKey = try pem(user, "client-key", system, owner: owner)
            guard (tls.certificate == nil) == (tls.privateKey == nil) else {
                throw ConfigurationError(
                    "\(owner) of \(user.file) needs client-certificate and client-key together, one is missing"
                )
            }
        }
        let credentials = try user.map { try Self.credentials($0, cluster: cluster, tls: tls, owner: owner) }
        var connection = ClusterConnection(
            server: server,
            tls: tls,
            credentials: credentials ?? .anonymous,
            namespace: nonEmpty(context, "namespace") ?? "default",
            proxy: nonEmpty(cluster, "proxy-url"),
            origin: "context \"\(name)\" of \(context.file)"
        )
        connection.impersonation = try user.flatMap { try Self.impersonation($0, owner: owner) }
        return connection
    }

    private static func impersonation(_ user: Entry, owner: String) throws -> Impersonation? {
        let json = user.json
        let groups = (json["as-groups"]?.array ?? []).compactMap(\.string)
        let uid = json["as-uid"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        let extra = json["as-user-extra"]?.object
        guard let name = json["as"]?.string, !name.isEmpty else {
            guard groups.isEmpty, uid == nil, extra?.isEmpty ?? true else {
                throw ConfigurationError(
                    "\(owner) of \(user.file) has as-uid, as-groups or as-user-extra without as; name the user too"
                )
            }
            return nil
        }
        var impersonation = Impersonation(user: name, uid: uid, groups: groups)
        for (key, values) in extra ?? JSONObject() {
            impersonation.extra[key] = (values.array ?? []).compactMap(\.string)
        }
        return impersonation
    }

    private func context(_ wanted: String?) throws -> (String, Entry) {
        let place = files.joined(separator: ", ")
        guard !contexts.isEmpty else {
            throw ConfigurationError("\(place) has no context; check that it is the kubeconfig that you mean")
        }
        let list = "there are: \(contextNames.joined(separator: ", "))"
        guard let name = wanted ?? currentContext else {
            throw ConfigurationError("\(place) has no current-context; name one with --context; \(list)")
        }
        guard let context = contexts[name] else {
            throw ConfigurationError("\(place) has no context \"\(name)\"; \(list)")
        }
        return (name, context)
    }

    private func user(of name: String, _ context: Entry) throws -> Entry? {
        guard let userName = nonEmpty(context, "user") else { return nil }
        guard let user = users[userName] else {
            throw ConfigurationError(
                "context \"\(name)\" of \(context.file) names the user \"\(userName)\", which no kubeconfig has"
            )
        }
        return user
    }

    private func nonEmpty(_ entry: Entry, _ member: String) -> String? {
        entry.json[member]?.string.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The PEM text of `member-data` (Base64) or of the file `member`; data wins, as in client-go.
    private func pem(_ entry: Entry, _ member: String, _ system: HostSystem, owner: String) throws -> String? {
        if let data = nonEmpty(entry, "\(member)-data") {
            guard let bytes = Base64.decode(data) else {
                throw ConfigurationError("\(owner) of \(entry.file): \(member)-data isn't Base64")
            }
            return String(decoding: bytes, as: UTF8.self)
        }
        guard let named = nonEmpty(entry, member) else { return nil }
        let path = Self.resolve(named, against: entry.file)
        let bytes: [UInt8]?
        do { bytes = try system.readFile(path) } catch {
            throw ConfigurationError("\(owner) of \(entry.file): cannot read \(member) \(path): \(error)")
        }
        guard let bytes else {
            throw ConfigurationError("\(owner) of \(entry.file): \(member) \(path) doesn't exist")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A path as seen from the kubeconfig that it stands in.
    static func resolve(_ path: String, against file: String) -> String {
        guard !path.hasPrefix("/") else { return path }
        guard let slash = file.lastIndex(of: "/") else { return path }
        return String(file[...slash]) + path
    }

    /// The credentials of a user; a token file wins over a token, and either over a plugin, as in client-go.
    private static func credentials(
        _ user: Entry,
        cluster: Entry,
        tls: TLSSettings,
        owner: String
    ) throws -> Credentials {
        let json = user.json
        if let path = json["tokenFile"]?.string, !path.isEmpty { return .tokenFile(resolve(path, against: user.file)) }
        if let token = json["token"]?.string, !token.isEmpty { return .token(token) }
        if let username = json["username"]?.string, !username.isEmpty {
            return .basic(username: username, password: json["password"]?.string ?? "")
        }
        if let exec = json["exec"], !exec.isNull {
            return .exec(try plugin(exec, user: user, cluster: cluster, tls: tls, owner: owner))
        }
        if json["auth-provider"]?.object != nil {
            throw ConfigurationError(
                "\(owner) of \(user.file) uses auth-provider, which Kubernetes 1.26 removed; use an exec plugin instead"
            )
        }
        return .anonymous
    }

    private static func plugin(
        _ exec: JSONValue,
        user: Entry,
        cluster: Entry,
        tls: TLSSettings,
        owner: String
    ) throws -> ExecPlugin {
        let version = exec["apiVersion"]?.string ?? ""
        let versions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]
        guard versions.contains(version) else {
            throw ConfigurationError(
                "\(owner) of \(user.file): exec.apiVersion \"\(version)\" isn't supported; use \(versions[0])"
            )
        }
        guard let named = exec["command"]?.string, !named.isEmpty else {
            throw ConfigurationError("\(owner) of \(user.file): exec.command is missing")
        }
        // "IfAvailable" and "Never" are served: the plugin gets no standard input.
        if exec["interactiveMode"]?.string == "Always" {
            throw ConfigurationError(
                "\(owner) of \(user.file): exec.interactiveMode is Always, but there is nobody to answer; use IfAvailable"
            )
        }
        var plugin = ExecPlugin(apiVersion: version, command: named)
        // A name without a slash is looked up in PATH; a relative path belongs to the kubeconfig's folder.
        if named.contains("/") { plugin.command = resolve(named, against: user.file) }
        plugin.arguments = (exec["args"]?.array ?? []).compactMap(\.string)
        for variable in exec["env"]?.array ?? [] {
            if let name = variable["name"]?.string { plugin.environment[name] = variable["value"]?.string ?? "" }
        }
        plugin.installHint = exec["installHint"]?.string
        if exec["provideClusterInfo"]?.bool == true {
            var info: JSONValue = ["server": cluster.json["server"] ?? ""]
            info["tls-server-name"] = JSONValue(tls.serverName)
            info["proxy-url"] = cluster.json["proxy-url"]
            if !tls.verifiesPeer { info["insecure-skip-tls-verify"] = true }
            if let text = tls.authorities {
                info["certificate-authority-data"] = .string(Base64.encode(Array(text.utf8)))
            }
            // What the cluster's administrator wants the plugin to know.
            let extensions = cluster.json["extensions"]?.array ?? []
            info["config"] = extensions.first { $0["name"] == "client.authentication.k8s.io/exec" }?["extension"]
            plugin.clusterInfo = info
        }
        return plugin
    }
}
