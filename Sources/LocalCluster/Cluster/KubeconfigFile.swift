// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
public import KubeModel

/// The kubeconfig of a local cluster: written whole or not at all, readable by its owner only.
public struct KubeconfigFile: Sendable {
    /// The name of cluster, user and context.
    public static let contextName = "modelfleet-local"

    /// Where it is.
    public let path: String

    /// The file at `path`.
    public init(path: String) { self.path = path }

    /// The configuration as a JSON document, which is YAML too: `kubectl` reads it as it is.
    public static func document(for access: ClusterAccess) -> JSONValue {
        var cluster: JSONValue = ["server": .string(access.server)]
        if let authority = access.authority {
            cluster["certificate-authority-data"] = .string(Data(authority.utf8).base64EncodedString())
        }
        var user = JSONValue.emptyObject
        if let token = access.token { user["token"] = .string(token) }
        let name = JSONValue.string(contextName)
        return [
            "apiVersion": "v1", "kind": "Config", "preferences": .emptyObject, "current-context": name,
            "clusters": [["name": name, "cluster": cluster]],
            "users": [["name": name, "user": user]],
            "contexts": [
                ["name": name, "context": ["cluster": name, "user": name, "namespace": .string(access.namespace)]]
            ],
        ]
    }

    /// Writes the file with mode 0600 through a temporary file beside it, and makes its folder (mode 0700) if need be.
    /// - Throws: `LocalClusterError` with the path and the reason.
    public func write(_ access: ClusterAccess) throws {
        let folder = (path as NSString).deletingLastPathComponent
        let temporary = path + ".new"
        do {
            if !folder.isEmpty {
                try FileManager.default.createDirectory(
                    atPath: folder,
                    withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o700]
                )
            }
            try? FileManager.default.removeItem(atPath: temporary)
            let contents = Data(Self.document(for: access).encodedPretty() + [0x0a])
            guard
                FileManager.default.createFile(
                    atPath: temporary,
                    contents: contents,
                    attributes: [.posixPermissions: 0o600]
                )
            else { throw LocalClusterError("can't create \(temporary)") }
            try FileCalls.replace(path, with: temporary)
        } catch {
            throw LocalClusterError("can't write the kubeconfig \(path): \(error)")
        }
    }

    /// Removes the file, if it is there.
    public func remove() { try? FileManager.default.removeItem(atPath: path) }
}
