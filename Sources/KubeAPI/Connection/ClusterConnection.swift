// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPMessages
public import KubeModel

/// Everything that is needed to reach a cluster as a user.
public struct ClusterConnection: Sendable, Hashable {
    /// The server: `https://host:6443`.
    public var server: String
    /// How to speak TLS with it.
    public var tls: TLSSettings
    /// Who we are.
    public var credentials: Credentials
    /// The namespace to use where none is named.
    public var namespace: String
    /// Whom to act as, where the user is to act as another one.
    public var impersonation: Impersonation?
    /// The proxy that the kubeconfig names; `nil` leaves it to the environment (`ProxyRules`).
    public var proxy: String?
    /// Where this came from, for messages: `context "prod" of /home/…/config`.
    public var origin: String

    /// A connection.
    public init(
        server: String,
        tls: TLSSettings = TLSSettings(),
        credentials: Credentials = .anonymous,
        namespace: String = "default",
        proxy: String? = nil,
        origin: String = ""
    ) {
        self.server = server
        self.tls = tls
        self.credentials = credentials
        self.namespace = namespace
        self.proxy = proxy
        self.origin = origin
    }
}

/// Another user, as whom requests are made (`as` in a kubeconfig).
public struct Impersonation: Sendable, Hashable {
    /// The user's name.
    public var user: String
    /// The user's uid.
    public var uid: String?
    /// The groups the user is in.
    public var groups: [String]
    /// What else is known of the user.
    public var extra: [String: [String]]

    /// A user to act as.
    public init(user: String, uid: String? = nil, groups: [String] = [], extra: [String: [String]] = [:]) {
        self.user = user
        self.uid = uid
        self.groups = groups
        self.extra = extra
    }
}

/// How a user proves who it is. Client certificates are part of `TLSSettings`.
public enum Credentials: Sendable, Hashable {
    /// Nothing is sent (or the client certificate speaks).
    case anonymous
    /// A bearer token.
    case token(String)
    /// A bearer token in a file that others may rewrite.
    case tokenFile(String)
    /// HTTP basic authentication.
    case basic(username: String, password: String)
    /// A program that prints a token or a client certificate.
    case exec(ExecPlugin)
}

/// A credential plugin (`client.authentication.k8s.io`, v1 and v1beta1).
public struct ExecPlugin: Sendable, Hashable {
    /// `client.authentication.k8s.io/v1`.
    public var apiVersion: String
    /// The program: a path, or a name to find in `PATH`.
    public var command: String
    /// Its arguments.
    public var arguments: [String]
    /// Variables added to the environment.
    public var environment: [String: String]
    /// What to tell a user who doesn't have the program.
    public var installHint: String?
    /// What `KUBERNETES_EXEC_INFO` says of the cluster; `nil` unless `provideClusterInfo` is set.
    public var clusterInfo: JSONValue?

    /// A plugin.
    public init(
        apiVersion: String = "client.authentication.k8s.io/v1",
        command: String,
        arguments: [String] = [],
        environment: [String: String] = [:],
        installHint: String? = nil,
        clusterInfo: JSONValue? = nil
    ) {
        self.apiVersion = apiVersion
        self.command = command
        self.arguments = arguments
        self.environment = environment
        self.installHint = installHint
        self.clusterInfo = clusterInfo
    }

    /// The `ExecCredential` that the plugin finds in `KUBERNETES_EXEC_INFO`.
    public var execInfo: JSONValue {
        var json: JSONValue = [
            "apiVersion": .string(apiVersion), "kind": "ExecCredential", "spec": ["interactive": false],
        ]
        if let clusterInfo { json.set(clusterInfo, at: "spec", "cluster") }
        return json
    }
}

/// A kubeconfig, or the in-cluster configuration, that can't be used; says which file and what to do.
public struct ConfigurationError: Error, Hashable, CustomStringConvertible {
    /// One sentence or two: what is wrong where, and the next step.
    public var message: String

    /// An error with a message.
    public init(_ message: String) { self.message = message }

    /// The message.
    public var description: String { message }
}
