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

    /// The connection that a program should use: an explicit file or `KUBECONFIG` first, then the pod's own cluster, then
    /// `~/.kube/config`.
    /// - Throws: `ConfigurationError`
    public static func discover(
        environment: [String: String],
        explicitPath: String? = nil,
        context: String? = nil,
        system: HostSystem = .real
    ) throws -> ClusterConnection {
        let isNamed = explicitPath != nil || !(environment["KUBECONFIG"] ?? "").isEmpty
        if !isNamed, let connection = try inCluster(environment: environment, system: system) { return connection }
        return try load(environment: environment, explicitPath: explicitPath, context: context, system: system)
    }
}
