// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import HTTPMessages

extension KubeConfiguration {
    /// Where a pod finds its service account.
    static let serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// The connection of a pod to its own cluster; `nil` outside of one.
    /// - Throws: `ConfigurationError` when the service account isn't mounted.
    public static func inCluster(
        environment: [String: String],
        system: HostSystem = .real
    ) throws -> ClusterConnection? {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], !host.isEmpty,
            let port = environment["KUBERNETES_SERVICE_PORT"], !port.isEmpty
        else { return nil }
        let tokenPath = "\(serviceAccountFolder)/token"
        guard try system.readFile(tokenPath) != nil else {
            throw ConfigurationError(
                "this pod has no service account token at \(tokenPath); set automountServiceAccountToken: true"
            )
        }
        let authority = try system.readFile("\(serviceAccountFolder)/ca.crt")
        let namespace = try system.readFile("\(serviceAccountFolder)/namespace")
            .map { String(decoding: $0, as: UTF8.self).trimmingWhitespace }
        let name = host.contains(":") ? "[\(host)]" : host
        return ClusterConnection(
            server: "https://\(name):\(port)",
            tls: TLSSettings(authorities: authority.map { String(decoding: $0, as: UTF8.self) }),
            credentials: .tokenFile(tokenPath),
            namespace: namespace.flatMap { $0.isEmpty ? nil : $0 } ?? "default",
            origin: "the pod's service account"
        )
    }

    /// The connection that a program should use: an explicit file or `KUBECONFIG` first, then `~/.kube/config`, then the pod's own
    /// cluster; that one only where no context is named, since it has none.
    /// - Throws: `ConfigurationError`
    public static func discover(
        environment: [String: String],
        explicitPath: String? = nil,
        context: String? = nil,
        system: HostSystem = .real
    ) throws -> ClusterConnection {
        let isNamed = explicitPath != nil || context != nil || !(environment["KUBECONFIG"] ?? "").isEmpty
        // One that can't be read is there too, and its reader says what is wrong with it; an empty one says nothing.
        func isThere(_ path: String) -> Bool {
            guard let bytes = try? system.readFile(path) ?? [] else { return true }
            return !bytes.isEmpty
        }
        if !isNamed, !searchPath(environment: environment, explicitPath: nil).contains(where: isThere),
            let connection = try inCluster(environment: environment, system: system)
        {
            return connection
        }
        return try load(environment: environment, explicitPath: explicitPath, context: context, system: system)
    }
}
