// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How to reach a local cluster that is ready.
public struct ClusterAccess: Sendable, Hashable {
    /// The API server's address: `https://127.0.0.1:6443`.
    public var server: String
    /// The certificate authority as PEM text; `nil` where the server speaks plain HTTP.
    public var authority: String?
    /// The bearer token; `nil` where everyone is let in.
    public var token: String?
    /// The namespace that commands use unless told otherwise.
    public var namespace: String

    /// Access to the server at `server`.
    public init(server: String, authority: String? = nil, token: String? = nil, namespace: String = "default") {
        self.server = server
        self.authority = authority
        self.token = token
        self.namespace = namespace
    }
}
