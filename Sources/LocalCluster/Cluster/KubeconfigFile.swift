// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
public import KubeAPI
public import KubeModel

/// The kubeconfig of a local cluster: written whole or not at all, readable by its owner only.
public struct KubeconfigFile: Sendable {
    /// The name of cluster, user and context.
    public static let contextName = "modelfleet-local"

    /// Whose file stands at a path.
    public enum Owner: Sendable, Hashable {
        /// Nobody's: there is none, or an empty one.
        case nobody
        /// A local cluster's, which may be gone; how to reach it.
        case localCluster(ClusterConnection)
        /// Somebody else's, not ours to replace: another kubeconfig, or no kubeconfig at all.
        case others
    }

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
            try FileCalls.create(temporary, Self.document(for: access).encodedPretty() + [0x0a])
            try FileCalls.replace(path, with: temporary)
        } catch let error as LocalClusterError {
            throw LocalClusterError("can't write the kubeconfig \(path): \(error)")
        } catch {
            // With `EEXIST` a file stands where the folder should.
            let known = SystemError(error).map { $0.code == EEXIST ? SystemError(code: ENOTDIR) : $0 }
            let reason = known?.description ?? error.localizedDescription
            throw LocalClusterError("can't write the kubeconfig \(path): can't make its folder: \(reason)")
        }
    }

    /// Whose file is there now. A local cluster's names nothing but a local cluster.
    public var owner: Owner {
        guard FileManager.default.fileExists(atPath: path) else { return .nobody }
        guard let text = text() else { return .others }
        guard text.contains(where: { !$0.isWhitespace }) else { return .nobody }
        var configuration = KubeConfiguration()
        guard (try? configuration.merge(text: text, file: path)) != nil,
            configuration.contextNames == [Self.contextName],
            let connection = try? configuration.connection(context: nil, environment: [:])
        else { return .others }
        return .localCluster(connection)
    }

    /// Removes the file, if it still is the one with this token and holds nothing else: another local cluster may have
    /// put its own there since, or a person more contexts into it.
    public func remove(token: String) {
        guard case .localCluster = owner, text()?.contains(token) == true else { return }
        try? FileManager.default.removeItem(atPath: path)
    }

    private func text() -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }
}
